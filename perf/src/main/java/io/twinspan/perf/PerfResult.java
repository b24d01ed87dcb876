package io.twinspan.perf;

import io.twinspan.linux.TwinspanException;
import java.util.Locale;

/**
 * What was measured.
 *
 * @param test which test
 * @param sizeBytes how long a message was
 * @param p50Us median of the latency in µs: of a latency test one way, that is half a round trip,
 *     but for reads and atomics the whole; of a bandwidth test from the post of a request to its
 *     completion
 * @param p99Us its 99th percentile
 * @param p999Us its 99.9th percentile
 * @param maxUs the longest
 * @param megabytesPerSecond payload in 10^6 bytes per second, one way
 * @param messagesPerSecond round trips of a latency test, messages of another
 * @param limit what the machine could do in the same run: for latency, bare words in memory sent to
 *     and fro by the same two processes, one way or the whole like the test (µs); for bandwidth,
 *     {@code MemorySegment.copy} over the same buffers (10^6 bytes per second)
 * @param ratioToLimit the median latency, or the bandwidth, divided by the limit
 */
public record PerfResult(
    PerfTest test,
    int sizeBytes,
    double p50Us,
    double p99Us,
    double p999Us,
    double maxUs,
    double megabytesPerSecond,
    double messagesPerSecond,
    double limit,
    double ratioToLimit) {
  private static final String MARK = "result";
  private static final int WORDS = 11;

  /** One line, for another process. */
  String encode() {
    return String.format(
        Locale.ROOT,
        "%s %s %d %s %s %s %s %s %s %s %s",
        MARK,
        test.label(),
        sizeBytes,
        p50Us,
        p99Us,
        p999Us,
        maxUs,
        megabytesPerSecond,
        messagesPerSecond,
        limit,
        ratioToLimit);
  }

  /** Whether a line of a process's output is its result. */
  public static boolean isResult(String line) {
    return line.startsWith(MARK + " ");
  }

  /**
   * Reads such a line.
   *
   * @throws TwinspanException if it makes no sense
   */
  public static PerfResult decode(String line) {
    String[] words = line.split(" ", -1);
    if (words.length != WORDS) {
      throw new TwinspanException("not a result: " + line);
    }
    try {
      return new PerfResult(
          PerfTest.of(words[1]),
          Integer.parseInt(words[2]),
          Double.parseDouble(words[3]),
          Double.parseDouble(words[4]),
          Double.parseDouble(words[5]),
          Double.parseDouble(words[6]),
          Double.parseDouble(words[7]),
          Double.parseDouble(words[8]),
          Double.parseDouble(words[9]),
          Double.parseDouble(words[10]));
    } catch (NumberFormatException e) {
      throw new TwinspanException("not a result: " + line, e);
    }
  }
}
