package io.twinspan.perf;

/**
 * A message, or a write with immediate data, to and fro: each side sends when it has received. The
 * leading side pauses before each round trip if both shall sleep.
 */
final class MessagePingPong implements Phase {
  private final PerfEndpoint endpoint;
  private final boolean leads;
  private final int rounds;
  private final Samples samples;
  private final Pause pause;
  private final int sampleEvery;
  private final Rotation rotation;
  private final Turns turns;
  private int sent;
  private int received;
  private long sentNs;
  private long beginNs;

  MessagePingPong(PerfEndpoint endpoint, boolean leads, int rounds, Samples samples) {
    this.endpoint = endpoint;
    this.leads = leads;
    this.rounds = rounds;
    this.samples = samples;
    turns = new Turns(endpoint.options().queuePairs());
    pause = new Pause(endpoint.options().adaptive());
    sampleEvery = endpoint.options().adaptive() ? 1 : BarePingPong.SAMPLE_EVERY;
    rotation = new Rotation(endpoint.options());
  }

  @Override
  public void begin() {
    sent = 0;
    received = 0;
    beginNs = System.nanoTime();
    pause.begin();
  }

  @Override
  public int step() {
    int work = 0;
    if (leads && sent == received && sent < rounds && pause.isOver()) {
      send();
      work++;
    }
    work += endpoint.link().doWork();
    while (endpoint.poll()) {
      work++;
      received++;
      if (leads) {
        arrived();
      } else {
        send();
      }
      endpoint.repost();
    }
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  private void send() {
    if (leads && sent % sampleEvery == 0) {
      sentNs = System.nanoTime();
    }
    endpoint.postSurely(turns.next(), rotation.next(), false);
    sent++;
  }

  private void arrived() {
    if ((received - 1) % sampleEvery == 0) {
      samples.record(sentNs, System.nanoTime());
    }
    if (received == rounds) {
      samples.phase(rounds, System.nanoTime() - beginNs);
    }
    pause.begin();
  }

  @Override
  public boolean isDone() {
    return received == rounds && sent == rounds;
  }

  @Override
  public long nextDeadlineNs() {
    return leads && sent == received ? pause.endNs() : Long.MAX_VALUE;
  }
}
