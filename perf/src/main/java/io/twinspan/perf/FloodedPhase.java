package io.twinspan.perf;

/** A phase beside which this side floods another channel; over when that has calmed down too. */
final class FloodedPhase implements Phase {
  private final PerfEndpoint endpoint;
  private final Flood flood;
  private final Phase phase;
  private final Samples floods;
  private long written;
  private long beginNs;
  private boolean counted;

  /**
   * A phase to go through in the flood.
   *
   * @param floods gets the rate of the flood in bytes
   */
  FloodedPhase(PerfEndpoint endpoint, Flood flood, Phase phase, Samples floods) {
    this.endpoint = endpoint;
    this.flood = flood;
    this.phase = phase;
    this.floods = floods;
  }

  @Override
  public void begin() {
    written = 0;
    counted = false;
    int _ = flood.post(endpoint);
    phase.begin();
    beginNs = System.nanoTime();
  }

  @Override
  public int step() {
    int completed = flood.poll(endpoint);
    written += completed;
    if (!phase.isDone()) {
      return completed + flood.post(endpoint) + phase.step();
    }
    if (!counted) {
      counted = true;
      floods.phase((double) written * Flood.WRITE_BYTES, System.nanoTime() - beginNs);
    }
    int work = completed + endpoint.link().doWork();
    endpoint.check();
    return work;
  }

  @Override
  public boolean isDone() {
    return counted && flood.isOver();
  }

  @Override
  public long nextDeadlineNs() {
    return phase.nextDeadlineNs();
  }
}
