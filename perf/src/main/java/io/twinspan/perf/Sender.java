package io.twinspan.perf;

import io.twinspan.rdma.QueuePair;

/**
 * Posts one request after the other as long as the queue pairs take them, and asks for a completion
 * of every 64th of a queue pair, or of more than that where a queue is short.
 */
final class Sender implements Phase {
  private static final int SIGNAL_EVERY = 64;
  private static final int BATCH = 64;

  private final PerfEndpoint endpoint;
  private final int messages;
  private final Samples samples;
  private final int queuePairs;
  private final int signalEvery;
  private final long stride;
  private final long end;
  private final long[] postedNs;
  private int posted;
  private int queuePair;
  private int untilSignal;
  private int signaled;
  private int completed;
  private long offset;
  private long beginNs;

  Sender(PerfEndpoint endpoint, int messages, Samples samples) {
    this.endpoint = endpoint;
    this.messages = messages;
    this.samples = samples;
    PerfOptions options = endpoint.options();
    queuePairs = options.queuePairs();
    signalEvery = Math.clamp(options.depth() / 2, 1, SIGNAL_EVERY);
    stride = options.stride();
    end = options.bufferBytes();
    postedNs = new long[queuePairs * options.depth()];
  }

  @Override
  public void begin() {
    posted = 0;
    queuePair = 0;
    untilSignal = signalEvery;
    signaled = 0;
    completed = 0;
    offset = 0;
    beginNs = System.nanoTime();
  }

  @Override
  public int step() {
    int work = post();
    work += endpoint.link().doWork();
    while (endpoint.poll()) {
      long nowNs = System.nanoTime();
      samples.record(postedNs[(int) endpoint.completion().wrId()], nowNs);
      completed++;
      work++;
      if (isDone()) {
        samples.phase(messages, nowNs - beginNs);
      }
    }
    if (work == 0) {
      endpoint.check();
    }
    return work;
  }

  private int post() {
    int from = posted;
    int most = Math.min(messages, from + BATCH);
    int lastOnes = messages - queuePairs; // one of each queue pair
    while (posted < most) {
      boolean signal = untilSignal == 1 || posted >= lastOnes;
      int place = 0;
      if (signal) {
        place = signaled % postedNs.length;
        postedNs[place] = System.nanoTime();
      }
      int result = endpoint.post(queuePair, place, offset, signal);
      if (result == QueuePair.FULL) {
        break;
      }
      if (result != QueuePair.OK) {
        endpoint.refused(result);
      }
      posted++;
      signaled += signal ? 1 : 0;
      advance();
    }
    return posted - from;
  }

  /** To the next buffer and queue pair; when each one had its turn, nearer to the next signal. */
  private void advance() {
    offset += stride;
    if (offset == end) {
      offset = 0;
    }
    if (++queuePair == queuePairs) {
      queuePair = 0;
      untilSignal = untilSignal == 1 ? signalEvery : untilSignal - 1;
    }
  }

  @Override
  public boolean isDone() {
    return posted == messages && completed == signaled;
  }
}
