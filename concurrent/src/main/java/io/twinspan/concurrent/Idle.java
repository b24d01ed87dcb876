package io.twinspan.concurrent;

import java.time.Duration;

/**
 * How an agent waits: spin a little, yield a little, then sleep until something happens.
 *
 * <p>Spinning saves the few microseconds that a wake-up costs, and on a small machine takes the
 * processor from whoever would produce the work; so the default spins briefly.
 *
 * @param spins how many rounds without work are repeated at once
 * @param yields how many rounds after these give way to other threads
 * @param maxSleepNs how long one sleep lasts at most, more than 0
 */
public record Idle(int spins, int yields, long maxSleepNs) {
  /** About 20 to 50 µs of spinning and yielding for an agent with little to look at, then sleep. */
  public static final Idle DEFAULT = new Idle(200, 20, Duration.ofSeconds(1).toNanos());

  /** Sleeps at once: for agents of the control plane. */
  public static final Idle SLEEP = new Idle(0, 0, Duration.ofSeconds(1).toNanos());

  /** Checks the values. */
  public Idle {
    if (spins < 0 || yields < 0 || maxSleepNs <= 0) {
      throw new IllegalArgumentException(
          "spins %d, yields %d, sleep %d ns".formatted(spins, yields, maxSleepNs));
    }
  }
}
