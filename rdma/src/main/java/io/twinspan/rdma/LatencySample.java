package io.twinspan.rdma;

import io.twinspan.concurrent.Clock;

/**
 * How long one of {@value #EVERY} requests of a send queue takes, from its post to its completion.
 * The link's thread only; costs a comparison for the others.
 */
final class LatencySample {
  /** Of so many requests one is measured; a power of two. */
  static final int EVERY = 64;

  private static final long NONE = -1;

  private final ChannelLatency latency;
  private final Clock clock;
  private long index = NONE;
  private long sinceNs;

  LatencySample(ChannelLatency latency, Clock clock) {
    this.latency = latency;
    this.clock = clock;
  }

  /** A request is posted. */
  void posted(long count) {
    if ((count & (EVERY - 1)) == 0 && index == NONE) {
      index = count;
      sinceNs = clock.nanoTime();
    }
  }

  /** So many requests are completed. */
  void completed(long count) {
    if (index != NONE && count > index) {
      latency.record(clock.nanoTime() - sinceNs);
      index = NONE;
    }
  }

  /** What is being measured has failed. */
  void dropped() {
    index = NONE;
  }
}
