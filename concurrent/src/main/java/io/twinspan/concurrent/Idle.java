package io.twinspan.concurrent;

import java.time.Duration;

/**
 * How an agent waits: spin a little, yield a little, then sleep until something happens.
 *
 * <p>Spinning saves the few microseconds that a wake-up costs, and on a small machine takes the
 * processor from whoever would produce the work. So it is bounded by time, not by rounds, which
 * take from tens of nanoseconds to microseconds with what an agent has to look at.
 *
 * @param spinNs how long rounds without work are repeated at once; {@link Long#MAX_VALUE}: for ever
 * @param yields how many rounds after these give way to other threads
 * @param maxSleepNs how long one sleep lasts at most, more than 0
 */
public record Idle(long spinNs, int yields, long maxSleepNs) {
  /** About as long as a wake-up takes, then sleep. */
  public static final Idle DEFAULT = new Idle(5_000, 2, Duration.ofSeconds(1).toNanos());

  /** Sleeps at once: for agents of the control plane. */
  public static final Idle SLEEP = new Idle(0, 0, Duration.ofSeconds(1).toNanos());

  /** Checks the values. */
  public Idle {
    if (spinNs < 0 || yields < 0 || maxSleepNs <= 0) {
      throw new IllegalArgumentException(
          "spinning for %d ns, yields %d, sleep %d ns".formatted(spinNs, yields, maxSleepNs));
    }
  }
}
