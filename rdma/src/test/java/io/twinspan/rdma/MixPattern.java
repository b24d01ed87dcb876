package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * What the mixer's bytes are: a function of one number, so that nobody has to send a copy. A stamp
 * names a place in a table of random bytes, which is the same in all processes.
 */
final class MixPattern {
  /** The number whose bytes are all zero: memory that nobody has written. */
  static final long ZEROES = 0;

  static final int MOST_BYTES = 1 << 20;

  private static final int PLACES = 1 << 20;
  private static final long GOLDEN = 0x9E37_79B9_7F4A_7C15L;
  private static final MemorySegment TABLE = table();
  private static final MemorySegment NOTHING = Arena.global().allocate(MOST_BYTES);

  private MixPattern() {}

  /** A good hash of one number (the finaliser of splitmix64). */
  static long hash(long value) {
    long z = value + GOLDEN;
    z = (z ^ (z >>> 30)) * 0xBF58_476D_1CE4_E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D0_49BB_1331_11EBL;
    return z ^ (z >>> 31);
  }

  /** A good hash of two numbers. */
  static long hash(long one, long other) {
    return hash(hash(one) ^ other);
  }

  static void fill(MemorySegment segment, long offset, int length, long stamp) {
    MemorySegment.copy(bytes(stamp), place(stamp), segment, offset, length);
  }

  /** Where the bytes are first not those of the stamp; -1 if all are. */
  static int mismatch(MemorySegment segment, long offset, int length, long stamp) {
    return mismatch(segment, offset, length, stamp, 0);
  }

  /** As {@link #mismatch(MemorySegment, long, int, long)}, from some byte of the stamp's on. */
  static int mismatch(MemorySegment segment, long offset, int length, long stamp, int start) {
    long from = place(stamp) + start;
    return (int)
        MemorySegment.mismatch(segment, offset, offset + length, bytes(stamp), from, from + length);
  }

  /** One byte of a stamp's bytes. */
  static byte at(long stamp, int index) {
    return bytes(stamp).get(JAVA_BYTE, place(stamp) + index);
  }

  private static MemorySegment bytes(long stamp) {
    return stamp == ZEROES ? NOTHING : TABLE;
  }

  private static long place(long stamp) {
    return stamp == ZEROES ? 0 : hash(stamp) & PLACES - 1;
  }

  private static MemorySegment table() {
    byte[] bytes = new byte[PLACES + MOST_BYTES];
    new Random(1).nextBytes(bytes);
    return Arena.global().allocateFrom(JAVA_BYTE, bytes);
  }
}
