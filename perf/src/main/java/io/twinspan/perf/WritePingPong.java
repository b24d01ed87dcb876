package io.twinspan.perf;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;

/**
 * A write each way, found by polling the memory it goes to for its last 8 bytes, as perftest's
 * {@code write_lat} does. The link's own work is done now and then while nothing comes.
 */
final class WritePingPong extends RoundTrips {
  private static final int LOOKS = 1000;

  private final Sequence sequence;
  private final int looks;
  private final Rotation in;
  private long awaitedAt;

  WritePingPong(
      PerfEndpoint endpoint, boolean leads, int rounds, Samples samples, Sequence sequence) {
    super(endpoint, leads, rounds, samples);
    this.sequence = sequence;
    looks = endpoint.options().adaptive() ? 1 : LOOKS;
    in = new Rotation(endpoint.options());
    awaitedAt = lastWord(in.next());
  }

  @Override
  void send(int queuePair, long offset) {
    endpoint().source().set(JAVA_LONG, lastWord(offset), sequence.next());
    endpoint().postSurely(queuePair, offset, false);
  }

  @Override
  int receive() {
    if (!isDone() && hasCome()) {
      awaitedAt = lastWord(in.next());
      received();
      return 1;
    }
    int work = endpoint().link().doWork();
    while (endpoint().poll()) {
      work++; // nothing is signalled: it throws
    }
    return work;
  }

  private boolean hasCome() {
    if (isAtRest()) {
      return false; // it pauses
    }
    long expected = sequence.value() + (leads() ? 0 : 1);
    for (int i = 0; i < looks; i++) {
      if (SharedMemory.getLongAcquire(endpoint().buffers(), awaitedAt) == expected) {
        return true;
      }
    }
    return false;
  }

  private long lastWord(long offset) {
    return offset + endpoint().options().sizeBytes() - Long.BYTES;
  }
}
