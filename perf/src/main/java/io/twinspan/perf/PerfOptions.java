package io.twinspan.perf;

import io.twinspan.linux.TwinspanException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What both sides of a measurement must agree on.
 *
 * @param test what to measure
 * @param sizeBytes how long a message is
 * @param iterations how many are measured: round trips of a latency test, messages of another
 * @param warmup how many go before, unmeasured
 * @param queuePairs how many queue pairs take turns, 1 to 16
 * @param inlineBytes messages up to this length are posted inline
 * @param depth how many requests a queue pair holds at most, a power of two up to 4096
 * @param worker whether a thread beside the link's copies what is not stored inline at once
 * @param adaptive whether both sides sleep when there is nothing to do, and latency tests pause
 *     {@link #PAUSE_NS} before each message that is measured; otherwise they spin
 * @param rotateBytes over how much memory the buffers of both sides rotate; 0 for one hot buffer
 * @param crc whether the channel checks all it carries from end to end
 */
public record PerfOptions(
    PerfTest test,
    int sizeBytes,
    int iterations,
    int warmup,
    int queuePairs,
    int inlineBytes,
    int depth,
    boolean worker,
    boolean adaptive,
    long rotateBytes,
    boolean crc) {
  /** How long the leading side of an adaptive latency test lets both sides fall asleep. */
  public static final long PAUSE_NS = 1_000_000;

  /** The longest message. */
  public static final int MAX_SIZE_BYTES = 1 << 30;

  /** The most memory that buffers rotate over on each side. */
  public static final long MAX_ROTATE_BYTES = 1L << 33;

  /** Up to this length messages are posted inline unless told otherwise. */
  public static final int DEFAULT_INLINE_BYTES = 112;

  /** How many requests a queue pair holds unless told otherwise. */
  public static final int DEFAULT_DEPTH = 256;

  private static final long DEFAULT_VOLUME_BYTES = 8L << 30;
  private static final int BUFFER_ALIGNMENT = 64;

  /**
   * Checks the values.
   *
   * @throws TwinspanException if one can't be
   */
  public PerfOptions {
    require(sizeBytes, 0, MAX_SIZE_BYTES, "a size");
    require(iterations, 1, Integer.MAX_VALUE, "a number of iterations");
    require(warmup, 0, Integer.MAX_VALUE, "a number of warm-up iterations");
    require(queuePairs, 1, 16, "a number of queue pairs");
    require(inlineBytes, 0, 1 << 16, "a length of inline messages");
    require(depth, 1, 4096, "a depth");
    require(rotateBytes, 0, MAX_ROTATE_BYTES, "memory to rotate over");
    if (Integer.bitCount(depth) != 1) {
      throw new TwinspanException("a depth is a power of two, not " + depth);
    }
    if (test.verb() == PerfTest.Verb.ATOMIC && sizeBytes != Long.BYTES) {
      throw new TwinspanException("an atomic has 8 bytes, not " + sizeBytes);
    }
    if (test == PerfTest.WRITE_LAT && (sizeBytes == 0 || sizeBytes % Long.BYTES != 0)) {
      throw new TwinspanException(
          "write_lat polls for the last 8 bytes: its size is a multiple of 8, not " + sizeBytes);
    }
    if (crc && test == PerfTest.WRITE_LAT && queuePairs > 1) {
      throw new TwinspanException(
          "write_lat with CRCs takes one queue pair: others would write to the same place before"
              + " it is checked");
    }
  }

  private static void require(long value, long least, long most, String what) {
    if (value < least || value > most) {
      throw new TwinspanException(
          "%s is from %d to %d, not %d".formatted(what, least, most, value));
    }
  }

  /** The size that perftest's users expect of a test: 64, 8 to poll for, 64 KiB for bandwidth. */
  public static int defaultSizeBytes(PerfTest test) {
    if (test.verb() == PerfTest.Verb.ATOMIC) {
      return Long.BYTES;
    }
    if (!test.isLatency()) {
      return 1 << 16;
    }
    return test == PerfTest.WRITE_LAT ? Long.BYTES : 64;
  }

  /** Some seconds' worth of a test. */
  public static int defaultIterations(PerfTest test, int sizeBytes, boolean adaptive) {
    if (test.isLatency() && adaptive) {
      return 5_000;
    }
    if (test.isFlooded()) {
      return 200_000;
    }
    long most = test.isLatency() ? 1_000_000 : 10_000_000;
    return (int) Math.clamp(DEFAULT_VOLUME_BYTES / Math.max(1, sizeBytes), 100, most);
  }

  /** A fifth of what is measured, and enough for the compiler to have done its best. */
  public static int defaultWarmup(int iterations, int sizeBytes) {
    int share = Math.max(1, iterations / 5);
    long compiled = Math.clamp(DEFAULT_VOLUME_BYTES / Math.max(1, sizeBytes), 1, 100_000);
    return (int) Math.max(compiled, share);
  }

  /** How far the beginnings of two buffers are apart. */
  long stride() {
    return Math.max(BUFFER_ALIGNMENT, (sizeBytes + BUFFER_ALIGNMENT - 1L) & -BUFFER_ALIGNMENT);
  }

  /** How many buffers a side has. */
  int buffers() {
    return Math.clamp(rotateBytes / stride(), 1, Integer.MAX_VALUE);
  }

  /** How much memory a side's buffers take. */
  long bufferBytes() {
    return buffers() * stride();
  }

  boolean isInline() {
    return sizeBytes <= inlineBytes;
  }

  /** One word per value: for a command line, and for the peer to compare. */
  public List<String> encode() {
    return List.of(
        "test=" + test.label(),
        "size=" + sizeBytes,
        "iterations=" + iterations,
        "warmup=" + warmup,
        "qps=" + queuePairs,
        "inline=" + inlineBytes,
        "depth=" + depth,
        "worker=" + (worker ? 1 : 0),
        "adaptive=" + (adaptive ? 1 : 0),
        "rotate=" + rotateBytes,
        "crc=" + (crc ? 1 : 0));
  }

  /** Reads what {@link #encode} wrote. */
  public static PerfOptions decode(List<String> words) {
    Map<String, String> values = new HashMap<>();
    for (String word : words) {
      int equals = word.indexOf('=');
      values.put(word.substring(0, Math.max(0, equals)), word.substring(equals + 1));
    }
    return new PerfOptions(
        PerfTest.of(values.getOrDefault("test", "")),
        Math.toIntExact(number(values, "size")),
        Math.toIntExact(number(values, "iterations")),
        Math.toIntExact(number(values, "warmup")),
        Math.toIntExact(number(values, "qps")),
        Math.toIntExact(number(values, "inline")),
        Math.toIntExact(number(values, "depth")),
        number(values, "worker") == 1,
        number(values, "adaptive") == 1,
        number(values, "rotate"),
        number(values, "crc") == 1);
  }

  private static long number(Map<String, String> values, String name) {
    try {
      return Long.parseLong(values.getOrDefault(name, ""));
    } catch (NumberFormatException e) {
      throw new TwinspanException("no number for " + name + " in " + values, e);
    }
  }

  /** Where two sides differ, as people would say it. */
  static String difference(List<String> here, List<String> there) {
    List<String> different = new ArrayList<>();
    for (String word : here) {
      String name = word.substring(0, word.indexOf('=') + 1);
      for (String other : there) {
        if (other.startsWith(name) && !other.equals(word)) {
          different.add(word + " here, " + other + " there");
        }
      }
    }
    return "the sides measure different things: " + String.join("; ", different);
  }
}
