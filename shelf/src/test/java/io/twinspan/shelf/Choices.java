package io.twinspan.shelf;

import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** What a fuzzed run does next: drawn from a seed, or from the bytes that a fuzzer made up. */
final class Choices {
  private final byte[] bytes;
  private final @Nullable SplittableRandom random;
  private int at;

  private Choices(byte[] bytes, @Nullable SplittableRandom random) {
    this.bytes = bytes;
    this.random = random;
  }

  /** Choices without end. */
  static Choices of(long seed) {
    return new Choices(new byte[0], new SplittableRandom(seed));
  }

  /** Choices that end with the bytes, then all are 0. */
  static Choices of(byte[] bytes) {
    return new Choices(bytes, null);
  }

  /** Whether there are no more choices. */
  boolean isEmpty() {
    return random == null && at >= bytes.length;
  }

  /** A number from 0 to less than a bound. */
  int next(int bound) {
    return random != null
        ? random.nextInt(bound)
        : bound <= 256 ? nextByte() % bound : Math.floorMod(nextInt(), bound);
  }

  /** Any number. */
  int nextInt() {
    return random != null
        ? random.nextInt()
        : nextByte() | nextByte() << 8 | nextByte() << 16 | nextByte() << 24;
  }

  /** Any number. */
  long nextLong() {
    return ((long) nextInt() << 32) | (nextInt() & 0xffff_ffffL);
  }

  private int nextByte() {
    return at < bytes.length ? bytes[at++] & 0xff : 0;
  }
}
