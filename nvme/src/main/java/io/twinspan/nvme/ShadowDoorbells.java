package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;

/**
 * The buffers of Doorbell Buffer Config (NVM Express 1.4, sections 5.7 and 7.13): a page in which
 * the host leaves the values of its doorbells, and a page in which the controller says at which
 * value it wants to be rung. They spare the writes of registers, each of which stops a virtual
 * machine.
 *
 * <pre>
 *   0x0000  shadow doorbells  u32 each, where BAR0 has the doorbells from 0x1000 on
 *                             writer: the queue pair's thread, reader: the controller
 *   0x1000  event indexes     u32 each, in the same order
 *                             writer: the controller, reader: the queue pair's thread
 * </pre>
 *
 * <p>The controller forgets them at a reset. Each is one page, so they hold the first queue pairs
 * only; the admin queue is not among them.
 */
final class ShadowDoorbells implements AutoCloseable {
  private final DmaMemory memory;
  private final DmaRegion region;
  private final int strideBytes;

  /** Buffers that the controller does not know of yet. */
  ShadowDoorbells(PciDevice device, int doorbellStride) {
    strideBytes = 4 << doorbellStride;
    memory = DmaMemory.allocate("nvme-doorbells", 2L * Prp.PAGE_BYTES);
    try {
      region = device.map(memory.memfd(), 0, memory.lengthBytes());
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  /** Whether buffers of one page have room for any I/O queue pair with that stride. */
  static boolean haveRoom(int doorbellStride) {
    return (long) (4 << doorbellStride) * 4 <= Prp.PAGE_BYTES;
  }

  /** The command that tells the controller of them. */
  SubmissionEntry command() {
    return AdminQueue.command(AdminOpcode.DOORBELL_BUFFER_CONFIG, 0)
        .prp(region.iova(), region.iova() + Prp.PAGE_BYTES);
  }

  /** Whether there is room for a queue pair. */
  boolean holds(int queueId) {
    return queueId > 0 && (2L * queueId + 2) * strideBytes <= Prp.PAGE_BYTES;
  }

  /**
   * Makes the doorbells of a queue pair that the controller does not have look as after a reset.
   */
  void clear(int queueId) {
    for (int doorbell = 2 * queueId; doorbell <= 2 * queueId + 1; doorbell++) {
      SharedMemory.setIntRelease(memory.segment(), offset(doorbell), 0);
      SharedMemory.setIntRelease(memory.segment(), Prp.PAGE_BYTES + offset(doorbell), 0);
    }
  }

  /**
   * Leaves a submission queue's tail, with release.
   *
   * @param old the one before
   * @return whether the doorbell has to be rung too
   */
  boolean sqTail(int queueId, int tail, int old) {
    return update(2 * queueId, tail, old);
  }

  /**
   * Leaves a completion queue's head, with release.
   *
   * @param old the one before
   * @return whether the doorbell has to be rung too
   */
  boolean cqHead(int queueId, int head, int old) {
    return update(2 * queueId + 1, head, old);
  }

  /** Frees the buffers; the controller has been reset, closed, or has the pages to itself. */
  @Override
  public void close() {
    memory.close();
  }

  private boolean update(int doorbell, int value, int old) {
    MemorySegment segment = memory.segment();
    long offset = offset(doorbell);
    SharedMemory.setIntRelease(segment, offset, value);
    SharedMemory.fullFence(); // the controller sees the value, or we see that it wants to be rung
    int event = SharedMemory.getIntAcquire(segment, Prp.PAGE_BYTES + offset);
    // The controller wants to be rung when the value passes its event index.
    return ((value - event - 1) & 0xffff) < ((value - old) & 0xffff);
  }

  private long offset(int doorbell) {
    return (long) doorbell * strideBytes;
  }
}
