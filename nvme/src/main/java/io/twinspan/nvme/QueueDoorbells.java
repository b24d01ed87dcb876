package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.EventFd;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The two doorbells of one queue pair in mapped memory, and, if the drive offers them, the words
 * and the eventfd by which it may sleep ({@link DoorbellPage}), or the buffers that spare ringing
 * ({@link ShadowDoorbells}). For the queue pair's thread.
 */
final class QueueDoorbells implements Doorbells {
  private final MemorySegment bar;
  private final int queueId;
  private final long sqTailOffset;
  private final long cqHeadOffset;
  private final DoorbellPage page;
  private final @Nullable EventFd wakeEvent;
  private final @Nullable ShadowDoorbells shadow;
  private int lastTail;
  private int lastHead;

  /**
   * Maps the doorbells of a queue pair, whose values are 0.
   *
   * @param shadow the controller looks at, if it does
   */
  QueueDoorbells(
      QueueDevice device, int queueId, int doorbellStride, @Nullable ShadowDoorbells shadow) {
    this.queueId = queueId;
    long sqTail = ControllerRegisters.sqTailDoorbell(queueId, doorbellStride);
    long cqHead = ControllerRegisters.cqHeadDoorbell(queueId, doorbellStride);
    long first = sqTail & -DoorbellPage.BYTES;
    bar = device.mapBar(first, (cqHead & -DoorbellPage.BYTES) + DoorbellPage.BYTES - first);
    sqTailOffset = sqTail - first;
    cqHeadOffset = cqHead - first;
    page = new DoorbellPage(bar, 0);
    // With any other stride the words of ours would be somebody else's doorbells.
    wakeEvent =
        doorbellStride == DoorbellPage.DSTRD ? device.doorbellEvent(sqTail).orElse(null) : null;
    this.shadow = shadow;
  }

  @Override
  public void sqTail(int tail) {
    if (shadow == null || shadow.sqTail(queueId, tail, lastTail)) {
      SharedMemory.setIntRelease(bar, sqTailOffset, tail);
    }
    lastTail = tail;
    wake();
  }

  @Override
  public void cqHead(int head) {
    if (shadow == null || shadow.cqHead(queueId, head, lastHead)) {
      SharedMemory.setIntRelease(bar, cqHeadOffset, head);
    }
    lastHead = head;
    wake(); // a drive whose completion queue was full may sleep until there is room
  }

  @Override
  public void interruptArmed(boolean armed) {
    if (wakeEvent != null) {
      page.interruptArmed(armed);
    } else {
      SharedMemory.fullFence();
    }
  }

  private void wake() {
    if (wakeEvent != null) {
      SharedMemory.fullFence();
      if (page.endsSleep()) {
        wakeEvent.signal();
      }
    }
  }
}
