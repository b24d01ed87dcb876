package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.TwinspanNvme;

/**
 * Doorbells that the kernel driver rings for this process, where they can't be mapped. The head of
 * the completion queue goes along with the next tail: what is submitted then is all that the drive
 * needs room for. A queue pair that the driver has taken back has none; its owner notices by {@link
 * QueueOwner#checkPresence}. The kernel orders what was stored before the call before the doorbell.
 */
final class MediatedDoorbells implements Doorbells {
  private static final int LEAVE = -1;

  private final TwinspanNvme.Ringer ringer;
  private int head = LEAVE;

  MediatedDoorbells(TwinspanNvme device) {
    ringer = new TwinspanNvme.Ringer(device);
  }

  @Override
  public void sqTail(int tail) {
    var _ = ringer.ring(tail, head);
    head = LEAVE;
  }

  @Override
  public void cqHead(int head) {
    this.head = head;
  }

  @Override
  public void interruptArmed(boolean armed) {
    if (armed
        && head != LEAVE) { // a drive may raise no interrupt before it knows the last one seen
      var _ = ringer.ring(LEAVE, head);
      head = LEAVE;
    }
    SharedMemory.fullFence();
  }
}
