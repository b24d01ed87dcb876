package io.twinspan.perf;

/** A message, or a write with immediate data, each way: each side sends when it has received. */
final class MessagePingPong extends RoundTrips {
  MessagePingPong(PerfEndpoint endpoint, boolean leads, int rounds, Samples samples) {
    super(endpoint, leads, rounds, samples);
  }

  @Override
  void send(int queuePair, long offset) {
    endpoint().postSurely(queuePair, offset, false);
  }

  @Override
  int receive() {
    int work = endpoint().link().doWork();
    while (endpoint().poll()) {
      work++;
      received();
      endpoint().repost();
    }
    return work;
  }
}
