package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import org.jspecify.annotations.Nullable;

/** One life of a link through a BAR. */
final class PciEndpoint extends PagedEndpoint {
  private final long peerAttempt;
  private final @Nullable Doorbell doorbell;
  private final int peerBell;

  private long rings;
  private long heard;

  PciEndpoint(
      PciHandshake.Agreement agreed,
      Side side,
      BarLayout layout,
      Window local,
      @Nullable Doorbell doorbell) {
    super(
        agreed.generation(),
        agreed.peer().nodeName(),
        local,
        layout.window(side.peer(), agreed.peer().windowBytes()),
        layout.control(side, agreed.ownArea()),
        layout.control(side.peer(), agreed.peerArea()));
    peerAttempt = agreed.peerAttempt();
    peerBell = agreed.peerBell() - 1;
    this.doorbell = peerBell >= 0 ? doorbell : null;
  }

  /**
   * Without a doorbell there is no fence: a ring that is missed because the peer arms just now
   * costs it one short sleep.
   */
  @Override
  public void ring() {
    if (doorbell != null) {
      SharedMemory.fullFence(); // what was stored is visible before we look whether it sleeps
    }
    if (takeSleep()) {
      rings++;
      SharedMemory.setLongRelease(peerControlPage(), ControlPage.BELL, rings);
      if (doorbell != null) {
        doorbell.ring(peerBell);
      }
    }
  }

  /** Whether a ring of either side ends the other one's sleep. */
  boolean wakes() {
    return doorbell != null;
  }

  /** Which attempt of the peer this life was made with. */
  long peerAttempt() {
    return peerAttempt;
  }

  /** Whether the peer has rung since the last call. */
  boolean takeRing() {
    long bell = SharedMemory.getLongAcquire(controlPage(), ControlPage.BELL);
    boolean rung = bell != heard;
    heard = bell;
    return rung;
  }
}
