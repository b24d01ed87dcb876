package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.TwinspanNvme;

/**
 * Doorbells that the kernel driver rings for this process, where they can't be mapped. A queue pair
 * that the driver has taken back has none; its owner notices by {@link QueueOwner#checkPresence}.
 * The kernel orders what was stored before the call before the doorbell.
 */
final class MediatedDoorbells implements Doorbells {
  private final TwinspanNvme.Ringer ringer;

  MediatedDoorbells(TwinspanNvme device, int queueId) {
    ringer = new TwinspanNvme.Ringer(device, queueId);
  }

  @Override
  public void sqTail(int tail) {
    var _ = ringer.sqTail(tail);
  }

  @Override
  public void cqHead(int head) {
    var _ = ringer.cqHead(head);
  }

  @Override
  public void interruptArmed(boolean armed) {
    SharedMemory.fullFence();
  }
}
