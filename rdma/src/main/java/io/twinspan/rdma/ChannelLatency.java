package io.twinspan.rdma;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;
import org.jspecify.annotations.Nullable;

/**
 * How long the requests of a channel took, as far as they were measured. The link's thread records
 * without waiting; any thread may read, one at a time.
 */
final class ChannelLatency {
  private static final long MAX_NS = 60_000_000_000L;
  private static final int DIGITS = 2;

  private final SingleWriterRecorder recorder = new SingleWriterRecorder(1, MAX_NS, DIGITS);
  private final Histogram total = new Histogram(1, MAX_NS, DIGITS);
  private @Nullable Histogram recent;

  void record(long ns) {
    recorder.recordValue(Math.clamp(ns, 1, MAX_NS));
  }

  /** Everything since the channel was made. */
  synchronized ChannelSnapshot.Latency summary() {
    Histogram interval = recorder.getIntervalHistogram(recent);
    recent = interval;
    total.add(interval);
    return new ChannelSnapshot.Latency(
        total.getTotalCount(),
        total.getValueAtPercentile(50),
        total.getValueAtPercentile(99),
        total.getValueAtPercentile(99.9),
        total.getMaxValue());
  }
}
