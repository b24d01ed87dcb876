package io.twinspan.perf;

/** Keeps the link alive while the peer works. */
final class Bystander implements Phase {
  private final PerfEndpoint endpoint;
  private final int phaseAfter;

  /**
   * A part in which the peer alone acts.
   *
   * @param phaseAfter over when the peer has reached this
   */
  Bystander(PerfEndpoint endpoint, int phaseAfter) {
    this.endpoint = endpoint;
    this.phaseAfter = phaseAfter;
  }

  @Override
  public void begin() {}

  @Override
  public int step() {
    int work = endpoint.link().doWork();
    if (!isDone()) {
      endpoint.check();
    }
    return work;
  }

  @Override
  public boolean isDone() {
    return endpoint.peerHasReached(phaseAfter);
  }
}
