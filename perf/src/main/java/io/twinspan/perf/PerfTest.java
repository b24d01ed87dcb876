package io.twinspan.perf;

import io.twinspan.linux.TwinspanException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What can be measured; named as in perftest. */
public enum PerfTest {
  /** A message each way, in turns. */
  SEND_LAT(Verb.SEND, true),
  /** Messages one way, as many as go. */
  SEND_BW(Verb.SEND, false),
  /** A write each way, in turns, found by polling the memory it goes to. */
  WRITE_LAT(Verb.WRITE, true),
  /** Writes one way, as many as go. */
  WRITE_BW(Verb.WRITE, false),
  /** A write with immediate data each way, in turns. */
  WRITE_IMM_LAT(Verb.WRITE_IMM, true),
  /** Writes with immediate data one way, as many as go. */
  WRITE_IMM_BW(Verb.WRITE_IMM, false),
  /** Reads of the peer's memory, one after the other. */
  READ_LAT(Verb.READ, true),
  /** Reads of the peer's memory, as many as go. */
  READ_BW(Verb.READ, false),
  /** Fetch-and-add on the peer's memory, one after the other. */
  ATOMIC_LAT(Verb.ATOMIC, true),
  /** Fetch-and-add on the peer's memory, as many as go. */
  ATOMIC_BW(Verb.ATOMIC, false),
  /**
   * A message each way, in turns, first alone and then while another channel is full of writes of 1
   * MiB.
   */
  ISOLATION(Verb.SEND, true);

  /** What is posted. */
  enum Verb {
    SEND,
    WRITE,
    WRITE_IMM,
    READ,
    ATOMIC;

    /** Whether each one takes a receive of the peer. */
    boolean takesReceive() {
      return this == SEND || this == WRITE_IMM;
    }
  }

  private final Verb verb;
  private final boolean latency;

  PerfTest(Verb verb, boolean latency) {
    this.verb = verb;
    this.latency = latency;
  }

  Verb verb() {
    return verb;
  }

  /** Whether it is about latency; otherwise about bandwidth. */
  public boolean isLatency() {
    return latency;
  }

  /** Whether another channel is flooded meanwhile. */
  boolean isFlooded() {
    return this == ISOLATION;
  }

  /**
   * Whether its latency is half a round trip; that of a read or atomic is the whole, which ends
   * with the completion.
   */
  public boolean isOneWay() {
    return latency && verb != Verb.READ && verb != Verb.ATOMIC;
  }

  /** How it is called on the command line, such as {@code send_lat}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The test of that name.
   *
   * @throws TwinspanException if there is none
   */
  public static PerfTest of(String label) {
    for (PerfTest test : values()) {
      if (test.label().equals(label)) {
        return test;
      }
    }
    throw new TwinspanException("there is no test \"" + label + "\", only " + labels());
  }

  /** The names of all tests, for people. */
  public static String labels() {
    return Arrays.stream(values()).map(PerfTest::label).collect(Collectors.joining(", "));
  }
}
