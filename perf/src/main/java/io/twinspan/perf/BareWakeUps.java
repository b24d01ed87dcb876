package io.twinspan.perf;

/**
 * A word in memory to and fro between two processes that sleep in between, and are woken as a link
 * wakes its peer, but without any link: what the machine needs to wake a thread.
 */
final class BareWakeUps extends RoundTrips {
  private final Sequence sequence;

  BareWakeUps(
      PerfEndpoint endpoint, boolean leads, int rounds, Samples samples, Sequence sequence) {
    super(endpoint, leads, rounds, samples);
    this.sequence = sequence;
  }

  @Override
  void send(int queuePair, long offset) {
    endpoint().bareWord(sequence.next());
    endpoint().wakePeer();
  }

  @Override
  int receive() {
    if (!isDone() && !isAtRest() && hasCome()) {
      received();
      return 1;
    }
    return endpoint().link().doWork();
  }

  private boolean hasCome() {
    return endpoint().bareWord() == sequence.value() + (leads() ? 0 : 1);
  }
}
