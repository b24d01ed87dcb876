package io.twinspan.perf;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;

/**
 * A write to and fro, found by polling the memory it goes to for its last 8 bytes, as perftest's
 * {@code write_lat} does. The link's own work is done now and then while nothing comes.
 */
final class WritePingPong implements Phase {
  private static final int LOOKS = 1000;

  private final PerfEndpoint endpoint;
  private final boolean leads;
  private final int rounds;
  private final Samples samples;
  private final Sequence sequence;
  private final Pause pause;
  private final int looks;
  private final int sampleEvery;
  private final Rotation out;
  private final Rotation in;
  private final Turns turns;
  private int sent;
  private int received;
  private long awaitedAt;
  private long sentNs;
  private long beginNs;

  WritePingPong(
      PerfEndpoint endpoint, boolean leads, int rounds, Samples samples, Sequence sequence) {
    this.endpoint = endpoint;
    this.leads = leads;
    this.rounds = rounds;
    this.samples = samples;
    this.sequence = sequence;
    boolean adaptive = endpoint.options().adaptive();
    turns = new Turns(endpoint.options().queuePairs());
    pause = new Pause(adaptive);
    looks = adaptive ? 1 : LOOKS;
    sampleEvery = adaptive ? 1 : BarePingPong.SAMPLE_EVERY;
    out = new Rotation(endpoint.options());
    in = new Rotation(endpoint.options());
    awaitedAt = lastWord(in.next());
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
    if (received < rounds && look()) {
      received++;
      awaitedAt = lastWord(in.next());
      if (leads) {
        arrived();
      } else {
        send();
      }
      return work + 1;
    }
    work += endpoint.link().doWork();
    while (endpoint.poll()) {
      work++; // nothing is signalled: it throws
    }
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  private boolean look() {
    if (leads && sent == received) {
      return false; // it pauses
    }
    long expected = sequence.value() + (leads ? 0 : 1);
    for (int i = 0; i < looks; i++) {
      if (SharedMemory.getLongAcquire(endpoint.buffers(), awaitedAt) == expected) {
        return true;
      }
    }
    return false;
  }

  private void send() {
    if (leads && sent % sampleEvery == 0) {
      sentNs = System.nanoTime();
    }
    long offset = out.next();
    endpoint.source().set(JAVA_LONG, lastWord(offset), sequence.next());
    endpoint.postSurely(turns.next(), offset, false);
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

  private long lastWord(long offset) {
    return offset + endpoint.options().sizeBytes() - Long.BYTES;
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
