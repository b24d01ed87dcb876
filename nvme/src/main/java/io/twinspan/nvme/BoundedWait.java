package io.twinspan.nvme;

import io.twinspan.concurrent.Clock;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * A wait of the control plane: spins a little, then sleeps in short steps, and ends at a deadline.
 */
final class BoundedWait {
  private static final int SPINS = 200;
  private static final long STEP_NS = 50_000;

  private final Clock clock;
  private final long startNs;
  private final long timeoutNs;
  private int rounds;

  BoundedWait(Clock clock, Duration timeout) {
    this.clock = clock;
    startNs = clock.nanoTime();
    timeoutNs = timeout.toNanos();
  }

  /** Pauses; returns false when the time is over. */
  boolean pause() {
    if (clock.nanoTime() - startNs >= timeoutNs) {
      return false;
    }
    if (++rounds <= SPINS) {
      Thread.onSpinWait();
    } else {
      LockSupport.parkNanos(STEP_NS);
    }
    return true;
  }

  /** How often {@link #pause} was called. */
  int rounds() {
    return rounds;
  }
}
