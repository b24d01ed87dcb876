package io.twinspan.perf;

/**
 * Something to and fro, one after the other: the leading side sends when the one before has come
 * back, after a pause if both sides shall sleep; the other side answers.
 */
abstract class RoundTrips implements Phase {
  private final PerfEndpoint endpoint;
  private final boolean leads;
  private final int rounds;
  private final Samples samples;
  private final Pause pause = new Pause();
  private final int sampleEvery;
  private final Turns turns;
  private final Rotation rotation;
  private int sent;
  private int received;
  private long sentNs;
  private long beginNs;

  RoundTrips(PerfEndpoint endpoint, boolean leads, int rounds, Samples samples) {
    this.endpoint = endpoint;
    this.leads = leads;
    this.rounds = rounds;
    this.samples = samples;
    PerfOptions options = endpoint.options();
    sampleEvery = options.adaptive() ? 1 : BarePingPong.SAMPLE_EVERY;
    turns = new Turns(options.queuePairs());
    rotation = new Rotation(options);
  }

  /**
   * Sends one.
   *
   * @param queuePair whose turn it is
   * @param offset of the buffer at both sides
   */
  abstract void send(int queuePair, long offset);

  /**
   * Takes what has come.
   *
   * @return how much was done
   */
  abstract int receive();

  @Override
  public void begin() {
    sent = 0;
    received = 0;
    beginNs = System.nanoTime();
    beginPause();
  }

  private void beginPause() {
    pause.begin(endpoint.options().adaptive() && endpoint.isWarm());
  }

  @Override
  public int step() {
    int work = 0;
    if (isAtRest() && sent < rounds && pause.isOver()) {
      if (sent % sampleEvery == 0) {
        sentNs = System.nanoTime();
      }
      send();
      work++;
    }
    work += receive();
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  /** Whether it is for this side to begin the next one. */
  boolean isAtRest() {
    return leads && sent == received;
  }

  boolean leads() {
    return leads;
  }

  PerfEndpoint endpoint() {
    return endpoint;
  }

  /** One has come. */
  final void received() {
    received++;
    if (!leads) {
      send();
      return;
    }
    if ((received - 1) % sampleEvery == 0) {
      samples.record(sentNs, System.nanoTime());
    }
    if (received == rounds) {
      samples.phase(rounds, System.nanoTime() - beginNs);
    }
    beginPause();
  }

  private void send() {
    send(turns.next(), rotation.next());
    sent++;
  }

  @Override
  public boolean isDone() {
    return received == rounds && sent == rounds;
  }

  @Override
  public long nextDeadlineNs() {
    return isAtRest() ? pause.endNs() : Long.MAX_VALUE;
  }
}
