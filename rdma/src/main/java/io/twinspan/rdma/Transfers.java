package io.twinspan.rdma;

import io.twinspan.dma.AddressSpace;
import io.twinspan.dma.DmaWorker;
import io.twinspan.dma.SoftwareEngine;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a channel has to copy: a ring for the link's thread and, if the link has workers, one for a
 * worker. The link's thread only.
 *
 * <p>A transfer goes to the worker if it is long, or if its owner has one there already; and never
 * while its owner has one in the other ring. So each owner's transfers complete in order.
 */
final class Transfers {
  private final Link link;
  private final int id;
  private final int priority;
  private final TransferRing inline;
  private final @Nullable TransferRing handedOver;
  private final @Nullable DmaWorker worker;
  private final int thresholdBytes;
  private int counted;

  Transfers(Link link, ChannelSpec spec, AddressSpace space) {
    this.link = link;
    id = spec.id();
    priority = spec.priority();
    inline = new TransferRing(space);
    link.turns().add(inline.engine(), id, priority, spec.weight());
    worker = link.workerOf(id);
    thresholdBytes = link.options().workerThresholdBytes();
    if (worker == null) {
      handedOver = null;
    } else {
      handedOver = new TransferRing(space);
      worker.add(handedOver.engine(), priority, spec.weight());
    }
  }

  /** Whether every ring takes so many more. */
  boolean hasRoom(int descriptors) {
    TransferRing other = handedOver;
    return inline.hasRoom(descriptors) && (other == null || other.hasRoom(descriptors));
  }

  /** See {@link Channel#insert}. */
  boolean insert(
      TransferOwner owner,
      long index,
      boolean last,
      int opcode,
      long source,
      long destination,
      int lengthBytes) {
    TransferRing ring = ringFor(owner, lengthBytes);
    boolean inserted = ring.insert(owner, index, last, opcode, source, destination, lengthBytes);
    count();
    return inserted;
  }

  /** Tells the link how many transfers its thread has to look after. */
  private void count() {
    int now = inline.descriptors().inUse();
    if (now != counted) {
      link.addPendingTransfers(now - counted);
      counted = now;
    }
  }

  private TransferRing ringFor(TransferOwner owner, int lengthBytes) {
    TransferRing other = handedOver;
    if (other == null) {
      return inline;
    }
    boolean toWorker = lengthBytes >= thresholdBytes ? !inline.holds(owner) : other.holds(owner);
    return toWorker ? other : inline;
  }

  /**
   * Hands over what was inserted, and carries out one piece of it at once if nothing has its turn
   * before. The owners are told later, so that many transfers share a fence.
   */
  void transfer() {
    boolean _ = inline.publish();
    if (link.isIdle() && isFirst()) {
      int _ = inline.engine().carryOut(SoftwareEngine.PIECE_BYTES);
    }
    TransferRing other = handedOver;
    if (other != null && other.publish() && worker != null) {
      worker.wake();
    }
  }

  private boolean isFirst() {
    return link.pendingTransfers() == counted || !link.turns().othersWait(id, priority);
  }

  /** Tells the owners what is done; returns how many transfers that were. */
  int collect() {
    int count = 0;
    if (counted > 0) {
      int _ = inline.engine().settle();
      count = inline.collect();
      count();
    }
    TransferRing other = handedOver;
    if (other != null && worker != null) {
      if (!worker.isRunning()) {
        count += worker.step() ? 1 : 0;
      }
      count += other.collect();
    }
    return count;
  }

  /** Takes back what an owner has given up: its memory is not touched any more. */
  void cancel(TransferOwner owner) {
    inline.cancel(owner);
    TransferRing other = handedOver;
    if (other != null && worker != null && other.holds(owner)) {
      worker.pause();
      other.cancel(owner);
      worker.resume();
    }
  }

  /** Forgets everything: no memory is touched any more. */
  void discard() {
    inline.discard();
    count();
    if (handedOver != null && worker != null) {
      worker.pause();
      handedOver.discard();
      worker.resume();
    }
  }

  List<ChannelSnapshot.Ring> snapshot() {
    List<ChannelSnapshot.Ring> rings = new ArrayList<>();
    rings.add(inline.snapshot("inline"));
    if (handedOver != null) {
      rings.add(handedOver.snapshot("worker"));
    }
    return rings;
  }

  /** For tests: how many bytes the link's thread has moved. */
  long movedBytes() {
    return inline.engine().movedBytes();
  }
}
