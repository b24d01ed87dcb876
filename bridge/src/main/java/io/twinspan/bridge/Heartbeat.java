package io.twinspan.bridge;

/**
 * When to show the peer that this side works, and how long the peer has not: a counter each way, of
 * which any change is a sign of life. Knows neither memory nor clock.
 */
final class Heartbeat {
  private final long intervalNs;
  private final long silenceNs;
  private long nextBeatNs;
  private long peerCount;
  private long lastSignNs;
  private long silentSinceNs;

  Heartbeat(long intervalNs, long silenceNs) {
    this.intervalNs = intervalNs;
    this.silenceNs = silenceNs;
  }

  /** A life of the link begins. */
  void begin(long nowNs, long count) {
    peerCount = count;
    lastSignNs = nowNs;
    silentSinceNs = nowNs;
    nextBeatNs = nowNs;
  }

  /** Whether this side must beat now; then the next beat is due an interval later. */
  boolean takeBeat(long nowNs) {
    if (nowNs < nextBeatNs) {
      return false;
    }
    nextBeatNs = nowNs + intervalNs;
    return true;
  }

  /** Whether this side did not look for so long that the peer's silence proves nothing. */
  boolean wasPaused(long lastLookNs, long nowNs) {
    return nowNs - lastLookNs > silenceNs / 2;
  }

  /**
   * Looks at the peer's counter.
   *
   * @param paused whether this side was paused before it looked: both may have been, so the peer
   *     gets half of its time again
   * @return whether the peer has been silent for too long
   */
  boolean isSilent(long nowNs, long count, boolean paused) {
    if (count != peerCount) {
      peerCount = count;
      lastSignNs = nowNs;
      silentSinceNs = nowNs;
    } else if (paused) {
      silentSinceNs = Math.max(silentSinceNs, nowNs - silenceNs / 2);
    }
    return nowNs - silentSinceNs >= silenceNs;
  }

  long lastSignNs() {
    return lastSignNs;
  }

  long nextDeadlineNs() {
    return Math.min(nextBeatNs, silentSinceNs + silenceNs);
  }
}
