package io.twinspan.simulator;

import io.twinspan.concurrent.Clock;
import java.util.concurrent.TimeUnit;

/**
 * One controller's clock, made from the world's: it may run fast or slow, and leap ahead, but never
 * goes back.
 */
final class SkewedClock implements Clock {
  private final Clock world;
  private long worldStartNs;
  private long ownStartNs;
  private int percent = 100;

  SkewedClock(Clock world) {
    this.world = world;
  }

  @Override
  public long nanoTime() {
    return ownStartNs + (world.nanoTime() - worldStartNs) * percent / 100;
  }

  @Override
  public long epochMillis() {
    return TimeUnit.NANOSECONDS.toMillis(nanoTime());
  }

  /** Time of the world that passes until this clock shows {@code nanoTime}; 0 if it is over. */
  long worldNsUntil(long nanoTime) {
    long left = Math.max(nanoTime - nanoTime(), 0);
    return left > Long.MAX_VALUE / 200 ? left : left * 100 / percent;
  }

  /** From now on a second of the world is this many hundredths of a second here. */
  void runAt(int hundredths) {
    leap(0);
    percent = hundredths;
  }

  /** Leaps ahead. */
  void leap(long byNs) {
    ownStartNs = nanoTime() + byNs;
    worldStartNs = world.nanoTime();
  }
}
