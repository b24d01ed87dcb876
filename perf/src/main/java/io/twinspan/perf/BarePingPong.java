package io.twinspan.perf;

/**
 * A word in memory to and fro between the two processes, without any link: what the machine needs
 * for a round trip. The link is looked after between two steps, and when the peer takes long.
 */
final class BarePingPong implements Phase {
  static final int SAMPLE_EVERY = 4;
  private static final int STEP_ROUNDS = 1 << 12;
  private static final int PATIENCE = 1 << 13;

  private final PerfEndpoint endpoint;
  private final boolean leads;
  private final int rounds;
  private final Samples samples;
  private final Sequence sequence;
  private int done;

  BarePingPong(
      PerfEndpoint endpoint, boolean leads, int rounds, Samples samples, Sequence sequence) {
    this.endpoint = endpoint;
    this.leads = leads;
    this.rounds = rounds;
    this.samples = samples;
    this.sequence = sequence;
  }

  @Override
  public void begin() {
    done = 0;
  }

  @Override
  public int step() {
    int count = Math.min(STEP_ROUNDS, rounds - done);
    if (leads) {
      lead(count);
    } else {
      follow(count);
    }
    done += count;
    endpoint.link().doWork();
    return count;
  }

  private void lead(int count) {
    for (int i = 0; i < count; i++) {
      long value = sequence.next();
      if (i % SAMPLE_EVERY == 0) {
        long fromNs = System.nanoTime();
        endpoint.bareWord(value);
        await(value);
        samples.record(fromNs, System.nanoTime());
      } else {
        endpoint.bareWord(value);
        await(value);
      }
    }
  }

  private void follow(int count) {
    for (int i = 0; i < count; i++) {
      long value = sequence.next();
      await(value);
      endpoint.bareWord(value);
    }
  }

  @SuppressWarnings("ThreadPriorityCheck") // a yield is a hint here, and nothing depends on it
  private void await(long expected) {
    int looks = 0;
    while (endpoint.bareWord() != expected) {
      if (++looks == PATIENCE) {
        looks = 0;
        endpoint.link().doWork(); // the other one was not scheduled for a while, or is dead
        endpoint.check();
        Thread.yield();
      }
    }
  }

  @Override
  public boolean isDone() {
    return done == rounds;
  }
}
