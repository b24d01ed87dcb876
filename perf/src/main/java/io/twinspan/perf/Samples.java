package io.twinspan.perf;

import java.util.Arrays;
import org.HdrHistogram.Histogram;

/** Latencies of one kind over all phases, and how fast each phase went. Not thread-safe. */
final class Samples {
  private static final long LONGEST_NS = 60_000_000_000L;
  private static final int DIGITS = 3;
  private static final int CALIBRATIONS = 10_000;

  private final Histogram histogram = new Histogram(LONGEST_NS, DIGITS);
  private final double[] rates;
  private final long clockNs;
  private int phases;

  /**
   * No samples.
   *
   * @param capacity how many phases there may be
   */
  Samples(int capacity) {
    rates = new double[capacity];
    clockNs = clockCostNs();
  }

  /** What reading the clock twice costs between the two times it tells. */
  private static long clockCostNs() {
    long[] costs = new long[CALIBRATIONS];
    for (int i = 0; i < costs.length; i++) {
      long from = System.nanoTime();
      costs[i] = System.nanoTime() - from;
    }
    Arrays.sort(costs, costs.length / 2, costs.length); // compiled by then
    return costs[costs.length * 3 / 4];
  }

  void clear() {
    histogram.reset();
    phases = 0;
  }

  /** Keeps the time between two readings of the clock. */
  void record(long fromNs, long toNs) {
    histogram.recordValue(Math.clamp(toNs - fromNs - clockNs, 0, LONGEST_NS));
  }

  /** Keeps how much a phase did in a time. */
  void phase(double amount, long elapsedNs) {
    rates[phases++] = amount * 1e9 / Math.max(1, elapsedNs);
  }

  /** A percentile in µs. */
  double us(double percentile) {
    return histogram.getValueAtPercentile(percentile) / 1e3;
  }

  double maxUs() {
    return histogram.getMaxValue() / 1e3;
  }

  /** The median of the phases' rates, per second. */
  double rate() {
    double[] sorted = Arrays.copyOf(rates, phases);
    Arrays.sort(sorted);
    return phases == 0 ? 0 : (sorted[(phases - 1) / 2] + sorted[phases / 2]) / 2;
  }
}
