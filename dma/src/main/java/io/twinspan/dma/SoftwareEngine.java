package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * Carries out the descriptors of one ring, in order, with the processor.
 *
 * <p>Passive: the poster calls {@link #doWork()} after it published (the <em>inline</em> engine, no
 * hand-over, best for small copies), or an {@link io.twinspan.concurrent.AgentRunner} runs it as a
 * worker. It copies at most {@value #PIECE_BYTES} bytes between two looks at the destination's
 * right, which bounds what a writer whose right was taken can still do. Nothing is allocated.
 */
public final class SoftwareEngine implements Agent {
  /** How much is copied between two looks at the right to do so, in bytes. */
  public static final int PIECE_BYTES = 64 * 1024;

  private static final int SCRATCH_BYTES = 4096;
  private static final int FAULT_ON_READ = DmaStatus.PAGE_FAULT;
  private static final int FAULT_ON_WRITE = DmaStatus.PAGE_FAULT | DmaStatus.FAULT_ON_WRITE;
  private static final ValueLayout.OfLong PATTERN =
      JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final DescriptorRing ring;
  private final AddressSpace space;
  private final Descriptor descriptor = new Descriptor();
  private final CompletionRecord record = new CompletionRecord();
  private final Translation source = new Translation();
  private final Translation destination = new Translation();
  private final byte[] scratch = new byte[SCRATCH_BYTES];
  private final CRC32C crc32c = new CRC32C();
  private long consumed;

  // What the descriptor in hand comes to.
  private int done;
  private long faultAddress;
  private int crc;

  /**
   * An engine for one ring.
   *
   * @param ring whose descriptors to carry out; no other engine may
   * @param space what their addresses mean
   */
  public SoftwareEngine(DescriptorRing ring, AddressSpace space) {
    this.ring = ring;
    this.space = space;
  }

  /**
   * Carries out everything that is published, at most one ringful.
   *
   * @return how many descriptors that were
   */
  @Override
  public int doWork() {
    // The poster's count may lie in memory that others can write: never do more than a ringful.
    long waiting = ring.published() - consumed;
    int count = Math.clamp(waiting, 0, ring.capacity());
    for (int i = 0; i < count; i++) {
      carryOut((int) consumed & (ring.capacity() - 1));
      consumed++;
    }
    if (count > 0) {
      ring.consumed(consumed);
    }
    return count;
  }

  @Override
  public String roleName() {
    return "dma";
  }

  private void carryOut(int slot) {
    descriptor.wrap(ring.memory(), ring.descriptorOffset(slot));
    record.wrap(ring.memory(), ring.recordOffset(slot));
    done = 0;
    faultAddress = 0;
    crc = 0;
    int status = execute(slot, descriptor.opcode(), descriptor.flags(), descriptor.sizeBytes());
    record.complete(status, done, faultAddress, crc);
  }

  private int execute(int slot, int opcode, int flags, int sizeBytes) {
    boolean recordIsThere =
        (flags & Descriptor.FLAG_COMPLETION_ADDRESS_VALID) != 0
            && descriptor.completionAddress() == ring.completionAddress(slot);
    if (!recordIsThere || (flags & ~Descriptor.KNOWN_FLAGS) != 0) {
      return DmaStatus.INVALID_FLAGS;
    }
    return switch (opcode) {
      // Descriptors complete in order, so everything before has completed.
      case Opcode.NOOP, Opcode.DRAIN -> DmaStatus.SUCCESS;
      case Opcode.MEMMOVE, Opcode.COPY_CRC -> copy(sizeBytes, opcode == Opcode.COPY_CRC);
      case Opcode.FILL -> fill(sizeBytes);
      default -> DmaStatus.BAD_OPCODE;
    };
  }

  private int copy(int sizeBytes, boolean withCrc) {
    if (sizeBytes <= 0) {
      return DmaStatus.INVALID_SIZE;
    }
    if (withCrc && descriptor.crcSeed() != 0) {
      return DmaStatus.INVALID_FLAGS; // only the CRC of the whole transfer is offered
    }
    if (!space.resolveSource(descriptor.source(), sizeBytes, source)) {
      return fault(FAULT_ON_READ, descriptor.source());
    }
    if (!space.resolveDestination(descriptor.destination(), sizeBytes, destination)) {
      return fault(FAULT_ON_WRITE, descriptor.destination());
    }
    crc32c.reset();
    while (done < sizeBytes) {
      int piece = Math.min(PIECE_BYTES, sizeBytes - done);
      if (withCrc) {
        copyWithCrc(piece);
      } else {
        MemorySegment.copy(
            source.segment(),
            source.offset() + done,
            destination.segment(),
            destination.offset() + done,
            piece);
      }
      if (!stillGranted()) {
        return fault(FAULT_ON_WRITE, descriptor.destination());
      }
      done += piece;
    }
    crc = withCrc ? (int) crc32c.getValue() : 0;
    return DmaStatus.SUCCESS;
  }

  /** By way of an array, so that the CRC is of the bytes that were written, even if they change. */
  private void copyWithCrc(int piece) {
    int end = done + piece;
    for (int at = done; at < end; at += SCRATCH_BYTES) {
      int count = Math.min(SCRATCH_BYTES, end - at);
      MemorySegment.copy(source.segment(), JAVA_BYTE, source.offset() + at, scratch, 0, count);
      crc32c.update(scratch, 0, count);
      MemorySegment.copy(
          scratch, 0, destination.segment(), JAVA_BYTE, destination.offset() + at, count);
    }
  }

  private int fill(int sizeBytes) {
    if (sizeBytes <= 0 || (sizeBytes & (Long.BYTES - 1)) != 0) {
      return DmaStatus.INVALID_SIZE;
    }
    if (!space.resolveDestination(descriptor.destination(), sizeBytes, destination)) {
      return fault(FAULT_ON_WRITE, descriptor.destination());
    }
    long pattern = descriptor.source();
    while (done < sizeBytes) {
      int piece = Math.min(PIECE_BYTES, sizeBytes - done);
      for (int i = 0; i < piece; i += Long.BYTES) {
        destination.segment().set(PATTERN, destination.offset() + done + i, pattern);
      }
      if (!stillGranted()) {
        return fault(FAULT_ON_WRITE, descriptor.destination());
      }
      done += piece;
    }
    return DmaStatus.SUCCESS;
  }

  private boolean stillGranted() {
    SharedMemory.fullFence(); // what was written is visible before the right is looked at again
    return space.stillGranted(destination);
  }

  private int fault(int status, long address) {
    faultAddress = address;
    return status;
  }
}
