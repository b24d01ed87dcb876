package io.twinspan.concurrent;

/** Where logic gets the time from, so that a simulation can give it another one. */
public interface Clock {
  /**
   * Nanoseconds since an arbitrary start; never goes back, so it serves for durations and deadlines
   * within this process.
   */
  long nanoTime();

  /** Milliseconds since 1970-01-01 UTC; may jump, so it serves only for what people read. */
  long epochMillis();
}
