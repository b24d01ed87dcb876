package io.twinspan.concurrent;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A time that moves only when it is told to, for simulations and tests. Any thread may ask; both
 * times move together.
 */
public final class ManualClock implements Clock {
  private final long startEpochMillis;
  private final AtomicLong elapsedNs = new AtomicLong();

  /** A clock at nanosecond 0 of 1970-01-01 UTC. */
  public ManualClock() {
    this(0);
  }

  /**
   * A clock at nanosecond 0.
   *
   * @param startEpochMillis what {@link #epochMillis()} says at first
   */
  public ManualClock(long startEpochMillis) {
    this.startEpochMillis = startEpochMillis;
  }

  @Override
  public long nanoTime() {
    return elapsedNs.get();
  }

  @Override
  public long epochMillis() {
    return startEpochMillis + TimeUnit.NANOSECONDS.toMillis(elapsedNs.get());
  }

  /**
   * Lets time pass.
   *
   * @param byNs how much, not negative
   */
  public void advance(long byNs) {
    if (byNs < 0) {
      throw new IllegalArgumentException("time goes forward only, not by " + byNs + " ns");
    }
    elapsedNs.addAndGet(byNs);
  }

  /**
   * Lets time pass until a moment; does nothing if that is over.
   *
   * @param nanoTime what {@link #nanoTime()} shall be at least
   */
  public void advanceTo(long nanoTime) {
    elapsedNs.accumulateAndGet(nanoTime, Math::max);
  }
}
