package io.twinspan.perf;

/**
 * A part of a measurement that one side goes through while the other one goes through its own part
 * of it.
 *
 * <p>A phase is done in steps, so that a thread may sleep between them; none takes longer than the
 * link's heartbeat allows.
 */
interface Phase {
  /** Begins it (again); the peer is about to begin too. */
  void begin();

  /**
   * Does what can be done without waiting, the link's work included.
   *
   * @return how much was done; 0 says that the thread may sleep
   */
  int step();

  /** Whether this side's part is done. */
  boolean isDone();

  /** When {@link #step} must run though nothing wakes it; {@link Long#MAX_VALUE} for never. */
  default long nextDeadlineNs() {
    return Long.MAX_VALUE;
  }
}
