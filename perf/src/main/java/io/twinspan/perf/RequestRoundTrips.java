package io.twinspan.perf;

/** One read or atomic after the other: each is posted when the one before it is complete. */
final class RequestRoundTrips extends RoundTrips {
  RequestRoundTrips(PerfEndpoint endpoint, int rounds, Samples samples) {
    super(endpoint, true, rounds, samples);
  }

  @Override
  void send(int queuePair, long offset) {
    endpoint().postSurely(queuePair, offset, true);
  }

  @Override
  int receive() {
    int work = endpoint().link().doWork();
    while (endpoint().poll()) {
      work++;
      received();
    }
    return work;
  }
}
