package io.twinspan.perf;

/**
 * The time in which both sides of an adaptive latency test fall asleep; none in a spinning one, and
 * none before the compiler is done with it.
 */
final class Pause {
  private boolean on;
  private long endNs;

  void begin(boolean sleep) {
    on = sleep;
    if (sleep) {
      endNs = System.nanoTime() + PerfOptions.PAUSE_NS;
    }
  }

  boolean isOver() {
    return !on || System.nanoTime() >= endNs;
  }

  /** When it is over, in {@link System#nanoTime}. */
  long endNs() {
    return on ? endNs : Long.MIN_VALUE;
  }
}
