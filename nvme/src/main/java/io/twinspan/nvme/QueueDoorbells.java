package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.EventFd;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The two doorbells of one queue pair in mapped memory, and, if the drive offers them, the words
 * and the eventfd by which it may sleep ({@link DoorbellPage}). For the queue pair's thread.
 */
final class QueueDoorbells {
  private final MemorySegment bar;
  private final long sqTailOffset;
  private final long cqHeadOffset;
  private final @Nullable EventFd wakeEvent;

  /** Maps the doorbells of a queue pair. */
  QueueDoorbells(PciDevice device, int queueId, int doorbellStride) {
    long sqTail = ControllerRegisters.sqTailDoorbell(queueId, doorbellStride);
    long cqHead = ControllerRegisters.cqHeadDoorbell(queueId, doorbellStride);
    long first = sqTail & -DoorbellPage.BYTES;
    bar = device.mapBar(first, (cqHead & -DoorbellPage.BYTES) + DoorbellPage.BYTES - first);
    sqTailOffset = sqTail - first;
    cqHeadOffset = cqHead - first;
    // With any other stride the words of ours would be somebody else's doorbells.
    wakeEvent =
        doorbellStride == DoorbellPage.DSTRD ? device.doorbellEvent(sqTail).orElse(null) : null;
  }

  /** Publishes the submission entries before a new tail, and wakes the drive if it sleeps. */
  void sqTail(int tail) {
    SharedMemory.setIntRelease(bar, sqTailOffset, tail);
    if (wakeEvent != null) {
      SharedMemory.fullFence();
      if (SharedMemory.getIntAcquire(bar, DoorbellPage.SLEEPING_OFFSET) != 0) {
        wakeEvent.signal();
      }
    }
  }

  /** Gives the completion entries before a new head back to the drive. */
  void cqHead(int head) {
    SharedMemory.setIntRelease(bar, cqHeadOffset, head);
    if (wakeEvent != null) {
      // A drive whose completion queue was full may sleep until there is room.
      SharedMemory.fullFence();
      if (SharedMemory.getIntAcquire(bar, DoorbellPage.SLEEPING_OFFSET) != 0) {
        wakeEvent.signal();
      }
    }
  }

  /** Says whether completions are to be signalled; a full fence follows. */
  void interruptArmed(boolean armed) {
    if (wakeEvent != null) {
      SharedMemory.setIntRelease(bar, DoorbellPage.INTERRUPT_ARMED_OFFSET, armed ? 1 : 0);
    }
    SharedMemory.fullFence();
  }
}
