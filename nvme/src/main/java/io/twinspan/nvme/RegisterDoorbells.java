package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import org.jspecify.annotations.Nullable;

/**
 * The two doorbells of one queue pair of a device that does not share them as memory: to ring is to
 * ask the device to write a register, which takes a round trip, and wakes it if it sleeps. Shadow
 * doorbells spare that while it is awake. For the queue pair's thread.
 */
final class RegisterDoorbells implements Doorbells {
  private final QueueDevice device;
  private final int queueId;
  private final long sqTailOffset;
  private final long cqHeadOffset;
  private final @Nullable ShadowDoorbells shadow;
  private int lastTail;
  private int lastHead;

  /**
   * The doorbells of a queue pair, whose values are 0.
   *
   * @param shadow the controller looks at, if it does
   */
  RegisterDoorbells(
      QueueDevice device, int queueId, int doorbellStride, @Nullable ShadowDoorbells shadow) {
    this.device = device;
    this.queueId = queueId;
    this.shadow = shadow;
    sqTailOffset = ControllerRegisters.sqTailDoorbell(queueId, doorbellStride);
    cqHeadOffset = ControllerRegisters.cqHeadDoorbell(queueId, doorbellStride);
  }

  @Override
  public void sqTail(int tail) {
    if (shadow == null || shadow.sqTail(queueId, tail, lastTail)) {
      ring(sqTailOffset, tail);
    }
    lastTail = tail;
  }

  @Override
  public void cqHead(int head) {
    if (shadow == null || shadow.cqHead(queueId, head, lastHead)) {
      ring(cqHeadOffset, head);
    }
    lastHead = head;
  }

  @Override
  public void interruptArmed(boolean armed) {
    SharedMemory.fullFence();
  }

  private void ring(long offset, int value) {
    SharedMemory.fullFence(); // queue entries before the message, whatever carries it
    try {
      device.ring(offset, value);
    } catch (NvmeException e) {
      // It has gone, which is noticed, or hangs: then what is in flight is not answered in time.
    }
  }
}
