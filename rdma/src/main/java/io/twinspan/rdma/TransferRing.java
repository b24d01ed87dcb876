package io.twinspan.rdma;

import io.twinspan.dma.AddressSpace;
import io.twinspan.dma.Descriptor;
import io.twinspan.dma.DescriptorRing;
import io.twinspan.dma.DmaStatus;
import io.twinspan.dma.Opcode;
import io.twinspan.dma.SoftwareEngine;
import org.jspecify.annotations.Nullable;

/**
 * A descriptor ring of a channel, with its engine and, in a ring beside it, whose each transfer is.
 * The link's thread only, except that a worker may run the engine.
 */
final class TransferRing {
  private static final int SLOTS = 256;
  private static final int DESCRIPTOR_FLAGS =
      Descriptor.FLAG_COMPLETION_ADDRESS_VALID | Descriptor.FLAG_REQUEST_COMPLETION;

  private final DescriptorRing ring = new DescriptorRing(SLOTS);
  private final SoftwareEngine engine;
  private final @Nullable TransferOwner[] owners = new @Nullable TransferOwner[SLOTS];
  private final long[] indices = new long[SLOTS];
  private final boolean[] lasts = new boolean[SLOTS];
  private final boolean[] crcs = new boolean[SLOTS];
  private boolean unpublished;

  TransferRing(AddressSpace space) {
    engine = new SoftwareEngine(ring, space);
  }

  SoftwareEngine engine() {
    return engine;
  }

  DescriptorRing descriptors() {
    return ring;
  }

  /** Whether it takes so many more. */
  boolean hasRoom(int descriptors) {
    return ring.capacity() - ring.inUse() >= descriptors;
  }

  /** Puts a transfer in; see {@link Channel#insert}. */
  boolean insert(
      TransferOwner owner,
      long index,
      boolean last,
      int opcode,
      long source,
      long destination,
      int lengthBytes) {
    int slot = ring.claim();
    if (slot == DescriptorRing.FULL) {
      return false;
    }
    owners[slot] = owner;
    indices[slot] = index;
    lasts[slot] = last;
    crcs[slot] = opcode == Opcode.COPY_CRC;
    ring.descriptor(slot)
        .set(
            lengthBytes == 0 ? Opcode.NOOP : opcode,
            DESCRIPTOR_FLAGS,
            ring.completionAddress(slot),
            source,
            destination,
            lengthBytes);
    unpublished = true;
    return true;
  }

  /**
   * Hands what was inserted to the engine.
   *
   * @return whether there was anything
   */
  boolean publish() {
    boolean any = unpublished;
    if (any) {
      unpublished = false;
      ring.publish();
    }
    return any;
  }

  /**
   * Hands out what the engine has completed.
   *
   * @return how many transfers
   */
  int collect() {
    int count = 0;
    while (ring.inUse() > 0) {
      int slot = ring.next();
      int status = ring.record(slot).status();
      if (status == DmaStatus.NONE) {
        break;
      }
      TransferOwner owner = owners[slot];
      long index = indices[slot];
      if (crcs[slot] && owner != null) {
        owner.copied(index, ring.record(slot).crc());
      }
      boolean isTold = lasts[slot] || status != DmaStatus.SUCCESS;
      ring.release();
      count++;
      if (owner != null && isTold) {
        owner.transferred(index, status);
      }
    }
    return count;
  }

  /** Whether it has a transfer of this owner that was not collected. */
  boolean holds(TransferOwner owner) {
    for (int i = ring.inUse() - 1; i >= 0; i--) {
      if (owners[slot(i)] == owner) {
        return true;
      }
    }
    return false;
  }

  /** Takes an owner's transfers back; only while the engine's thread does not work. */
  void cancel(TransferOwner owner) {
    for (int i = ring.inUse() - 1; i >= 0; i--) {
      int slot = slot(i);
      if (owners[slot] == owner) {
        owners[slot] = null;
        if (ring.record(slot).status() == DmaStatus.NONE) {
          ring.descriptor(slot).cancel();
        }
      }
    }
  }

  /** Forgets all transfers; only while the engine's thread does not work. */
  void discard() {
    boolean _ = publish();
    engine.discard();
    ring.releaseAll();
  }

  ChannelSnapshot.Ring snapshot(String name) {
    return new ChannelSnapshot.Ring(
        name,
        ring.capacity(),
        ring.claimedCount(),
        ring.publishedCount(),
        ring.consumedCount(),
        ring.inUse());
  }

  private int slot(int i) {
    return ring.next() + i & (SLOTS - 1);
  }
}
