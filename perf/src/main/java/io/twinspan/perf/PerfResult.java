package io.twinspan.perf;

import io.twinspan.linux.TwinspanException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

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
 * @param megabytesPerSecond payload in 10^6 bytes per second, one way; in a test with a flood that
 *     of the flood
 * @param messagesPerSecond round trips of a latency test, messages of another
 * @param limit what the machine could do in the same run: for latency, bare words in memory sent to
 *     and fro by the same two processes, one way or the whole like the test (µs); for bandwidth,
 *     {@code MemorySegment.copy} over the same buffers (10^6 bytes per second); in a test with a
 *     flood what the flood may cost: {@value #IDLE_TIMES} times the p99 without it, and a copy (µs)
 * @param ratioToLimit the median latency, the bandwidth, or in a test with a flood the p99, divided
 *     by the limit
 * @param idle in a test with a flood what was without it; empty otherwise
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
    double ratioToLimit,
    Optional<Idle> idle) {
  /** So many times as long as alone a message may take beside a flood, apart from a copy. */
  static final int IDLE_TIMES = 3;

  private static final String MARK = "result";
  private static final int WORDS = 11;
  private static final int WORDS_WITH_IDLE = 14;

  /**
   * The same run without the flood.
   *
   * @param p50Us median of the latency in µs, one way
   * @param p99Us its 99th percentile
   * @param copyUs median of {@code MemorySegment.copy} of 64 KiB of the flood's buffers, in µs
   */
  public record Idle(double p50Us, double p99Us, double copyUs) {}

  /** One line, for another process. */
  String encode() {
    List<Object> words = new ArrayList<>(List.of(MARK, test.label(), sizeBytes));
    words.addAll(List.of(p50Us, p99Us, p999Us, maxUs));
    words.addAll(List.of(megabytesPerSecond, messagesPerSecond, limit, ratioToLimit));
    idle.ifPresent(alone -> words.addAll(List.of(alone.p50Us, alone.p99Us, alone.copyUs)));
    return words.stream().map(String::valueOf).collect(Collectors.joining(" "));
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
    if (words.length != WORDS && words.length != WORDS_WITH_IDLE) {
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
          Double.parseDouble(words[10]),
          words.length == WORDS ? Optional.empty() : Optional.of(idle(words)));
    } catch (NumberFormatException e) {
      throw new TwinspanException("not a result: " + line, e);
    }
  }

  private static Idle idle(String[] words) {
    return new Idle(
        Double.parseDouble(words[WORDS]),
        Double.parseDouble(words[WORDS + 1]),
        Double.parseDouble(words[WORDS + 2]));
  }
}
