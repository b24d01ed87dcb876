package io.twinspan.nvme;

import org.jspecify.annotations.Nullable;

/** The two doorbells of one queue pair. For the queue pair's thread. */
interface Doorbells {
  /**
   * Those of a queue pair of a device, whose values are 0.
   *
   * @param buffers what the controller knows of shadow doorbells, if it does
   */
  static Doorbells of(
      QueueDevice device, int queueId, int doorbellStride, @Nullable ShadowDoorbells buffers) {
    ShadowDoorbells shadow = buffers != null && buffers.holds(queueId) ? buffers : null;
    if (shadow != null) {
      shadow.clear(queueId);
    }
    return device.sharesDoorbells()
        ? new QueueDoorbells(device, queueId, doorbellStride, shadow)
        : new RegisterDoorbells(device, queueId, doorbellStride, shadow);
  }

  /** Publishes the submission entries before a new tail, and wakes the drive if it sleeps. */
  void sqTail(int tail);

  /** Gives the completion entries before a new head back to the drive. */
  void cqHead(int head);

  /** Says whether completions are to be signalled; a full fence follows. */
  void interruptArmed(boolean armed);
}
