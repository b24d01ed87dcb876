package io.twinspan.rdma;

import io.twinspan.dma.DmaAddress;

/**
 * The limits of a link, seen as a device ({@code ibv_device_attr}); names as there. What a channel
 * plan gives is told as it is, summed over the channels or the greatest of them.
 *
 * @param maxQp how many queue pairs there may be, over all channels
 * @param maxQpWr how many requests the deepest queue of them holds
 * @param maxSge how many buffers a request may name
 * @param maxCq how many completion queues; bounded by memory only
 * @param maxCqe how many completions one holds
 * @param maxMr how many regions may be registered, in and outside of the window
 * @param maxMrSize how large one may be, in bytes
 * @param maxQpRdAtom how many of the partner's reads and atomic operations a queue pair takes at
 *     once
 * @param maxQpInitRdAtom how many of its own it has outstanding
 * @param maxSrq how many shared receive queues, one for each channel whose plan has one
 * @param maxSrqWr how many receives the deepest of them holds
 * @param maxPd how many protection domains
 * @param atomicCap among whom an atomic operation is one
 */
public record DeviceAttributes(
    int maxQp,
    int maxQpWr,
    int maxSge,
    int maxCq,
    int maxCqe,
    int maxMr,
    long maxMrSize,
    int maxQpRdAtom,
    int maxQpInitRdAtom,
    int maxSrq,
    int maxSrqWr,
    int maxPd,
    AtomicCap atomicCap) {
  /** Among whom an atomic operation is one ({@code ibv_atomic_cap}). */
  public enum AtomicCap {
    /** There are none. */
    NONE,
    /** Among the queue pairs of this link. */
    HCA,
    /** Also with the processor, which must use atomic operations of its own on the same words. */
    GLOB
  }

  static DeviceAttributes of(ChannelPlan plan) {
    int queuePairs = 0;
    int deepest = 0;
    int shared = 0;
    int deepestShared = 0;
    for (ChannelSpec channel : plan.channels()) {
      queuePairs += channel.queuePairs();
      deepest = Math.max(deepest, Math.max(channel.sendDepth(), channel.receiveDepth()));
      shared += channel.sharedReceiveDepth() > 0 ? 1 : 0;
      deepestShared = Math.max(deepestShared, channel.sharedReceiveDepth());
    }
    return new DeviceAttributes(
        queuePairs,
        deepest,
        ChannelLayout.MAX_SGE,
        Integer.MAX_VALUE,
        CompletionQueue.MAX_CAPACITY,
        ProtectionDomain.MAX_REGIONS,
        DmaAddress.MAX_OFFSET + 1,
        QpAttributes.MAX_RD_ATOMIC,
        QpAttributes.MAX_RD_ATOMIC,
        shared,
        deepestShared,
        Link.MAX_DOMAINS,
        AtomicCap.GLOB);
  }
}
