package io.twinspan.perf;

/** Takes the peer's messages and posts the receives again. */
final class Receiver implements Phase {
  private final PerfEndpoint endpoint;
  private final int messages;
  private int received;

  Receiver(PerfEndpoint endpoint, int messages) {
    this.endpoint = endpoint;
    this.messages = messages;
  }

  @Override
  public void begin() {
    received = 0;
  }

  @Override
  public int step() {
    int work = endpoint.link().doWork();
    while (endpoint.poll()) {
      endpoint.repost();
      received++;
      work++;
    }
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  @Override
  public boolean isDone() {
    return received == messages;
  }
}
