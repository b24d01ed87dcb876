package io.twinspan.bridge;

/**
 * When to show the peer that this side works, and how long the peer has not: a counter each way, of
 * which any change is a sign of life. Knows neither memory nor clock.
 *
 * <p>The limit counts from the peer's last beat, of which this side learns up to an interval later;
 * so what is counted here is an interval less. A {@link Witness} is asked about a peer that is
 * silent for long: time in which it could not work though it would is excused, up to {@value
 * #PATIENCE} times the limit. So is, as often at most, a pause of this side's own, in which both
 * may have been kept; unless the peer is known to stand stopped.
 */
final class Heartbeat {
  /**
   * How many times the limit a peer that always has an excuse is silent before it counts as dead.
   * With the usual limit that is 9 s: at a load of 30 on two processors, peers that lived were seen
   * to be silent for 5.5 s.
   */
  static final int PATIENCE = 30;

  private final long intervalNs;
  private final long silenceNs;
  private final long patienceNs;
  private long nextBeatNs;
  private Witness witness = Witness.NOBODY;
  private long peerCount;
  private long lastSignNs;
  private long silentSinceNs;
  private long nextQuestionNs;
  private long excusedNs;
  private int pauses;

  /**
   * A heart that does not beat yet.
   *
   * @param intervalNs from beat to beat
   * @param limitNs how long after its last beat a peer counts as hung, more than an interval
   */
  Heartbeat(long intervalNs, long limitNs) {
    if (intervalNs <= 0 || limitNs <= intervalNs) {
      throw new IllegalArgumentException(
          "a beat every %d ns, and silent after %d ns".formatted(intervalNs, limitNs));
    }
    this.intervalNs = intervalNs;
    silenceNs = limitNs - intervalNs;
    patienceNs = (PATIENCE - 1) * limitNs;
  }

  /**
   * A life of the link begins.
   *
   * @param count the peer's counter now
   * @param about knows what keeps the peer
   */
  void begin(long nowNs, long count, Witness about) {
    nextBeatNs = nowNs;
    witness = about;
    sign(nowNs, count);
  }

  /** Whether this side must beat now; then the next beat is due an interval later. */
  boolean takeBeat(long nowNs) {
    if (nowNs < nextBeatNs) {
      return false;
    }
    nextBeatNs = nowNs + intervalNs;
    return true;
  }

  /**
   * Whether this side did not look for so long, though it would have in every interval, that the
   * peer's silence proves nothing.
   */
  boolean wasPaused(long lastLookNs, long nowNs) {
    return nowNs - lastLookNs > Math.max(silenceNs / 4, intervalNs + intervalNs / 4);
  }

  /**
   * Looks at the peer's counter, and when that stands still for long, at what keeps the peer.
   *
   * @param paused whether this side was paused before it looked: both may have been, so the peer
   *     gets half of its time again
   */
  void look(long nowNs, long count, boolean paused) {
    if (count != peerCount) {
      sign(nowNs, count);
      witness.forget();
      return;
    }
    Witness.Evidence evidence = takeQuestion(nowNs) ? witness.look() : Witness.Evidence.NONE;
    if (paused && !evidence.stopped() && pauses < PATIENCE) {
      pauses++;
      silentSinceNs = Math.max(silentSinceNs, nowNs - silenceNs / 2);
    }
    excuse(nowNs, evidence.excusedNs());
  }

  /** Whether to find out now what keeps the peer; then again half an interval later. */
  private boolean takeQuestion(long nowNs) {
    if (nowNs < nextQuestionNs && !isSilent(nowNs)) {
      return false;
    }
    nextQuestionNs = nowNs + intervalNs / 2;
    return true;
  }

  /** Does not count so much of the peer's silence, at most what has passed since its last sign. */
  private void excuse(long nowNs, long ns) {
    long most = Math.min(patienceNs - excusedNs, nowNs - silentSinceNs);
    long granted = Math.clamp(ns, 0, most);
    excusedNs += granted;
    silentSinceNs += granted;
  }

  /** How much has been excused since the last sign. */
  long excusedNs() {
    return excusedNs;
  }

  /** Whether the peer has been silent for too long. */
  boolean isSilent(long nowNs) {
    return nowNs - silentSinceNs >= silenceNs;
  }

  long lastSignNs() {
    return lastSignNs;
  }

  /** When to look again: for a beat, for the verdict, or for what keeps a peer that is silent. */
  long nextDeadlineNs() {
    return Math.min(nextBeatNs, Math.min(silentSinceNs + silenceNs, nextQuestionNs));
  }

  private void sign(long nowNs, long count) {
    peerCount = count;
    lastSignNs = nowNs;
    silentSinceNs = nowNs;
    nextQuestionNs = nowNs + silenceNs / 2;
    excusedNs = 0;
    pauses = 0;
  }
}
