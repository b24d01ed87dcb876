package io.twinspan.perf;

/** The time in which both sides of an adaptive latency test fall asleep; none in a spinning one. */
final class Pause {
  private final boolean on;
  private long endNs;

  Pause(boolean on) {
    this.on = on;
  }

  void begin() {
    if (on) {
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
