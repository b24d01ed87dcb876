package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;

/** A queue pair's MSI-X vector, which the drive signals only while it is armed. */
final class QueueInterrupt implements WakeSource {
  private final EventFd event;
  private final Doorbells doorbells;
  private boolean armed;

  QueueInterrupt(EventFd event, Doorbells doorbells) {
    this.event = event;
    this.doorbells = doorbells;
  }

  @Override
  public void arm() {
    armed = true;
    doorbells.interruptArmed(true);
  }

  @Override
  public void disarm() {
    if (armed) {
      armed = false;
      doorbells.interruptArmed(false);
      var _ = event.drain();
    }
  }

  @Override
  public Fd fd() {
    return event.fd();
  }
}
