package io.twinspan.perf;

/** One read or atomic after the other: each is posted when the one before it is complete. */
final class RequestRoundTrips implements Phase {
  private final PerfEndpoint endpoint;
  private final int rounds;
  private final Samples samples;
  private final Pause pause;
  private final Turns turns;
  private final Rotation rotation;
  private final int sampleEvery;
  private int posted;
  private int completed;
  private long postedNs;
  private long beginNs;

  RequestRoundTrips(PerfEndpoint endpoint, int rounds, Samples samples) {
    this.endpoint = endpoint;
    this.rounds = rounds;
    this.samples = samples;
    boolean adaptive = endpoint.options().adaptive();
    pause = new Pause(adaptive);
    turns = new Turns(endpoint.options().queuePairs());
    rotation = new Rotation(endpoint.options());
    sampleEvery = adaptive ? 1 : BarePingPong.SAMPLE_EVERY;
  }

  @Override
  public void begin() {
    posted = 0;
    completed = 0;
    beginNs = System.nanoTime();
    pause.begin();
  }

  @Override
  public int step() {
    int work = 0;
    if (posted == completed && pause.isOver()) {
      if (posted % sampleEvery == 0) {
        postedNs = System.nanoTime();
      }
      endpoint.postSurely(turns.next(), rotation.next(), true);
      posted++;
      work++;
    }
    work += endpoint.link().doWork();
    while (endpoint.poll()) {
      work++;
      if (completed % sampleEvery == 0) {
        samples.record(postedNs, System.nanoTime());
      }
      completed++;
      if (completed == rounds) {
        samples.phase(rounds, System.nanoTime() - beginNs);
      }
      pause.begin();
    }
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  @Override
  public boolean isDone() {
    return completed == rounds;
  }

  @Override
  public long nextDeadlineNs() {
    return posted == completed ? pause.endNs() : Long.MAX_VALUE;
  }
}
