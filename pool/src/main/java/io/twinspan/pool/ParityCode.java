package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The two parities of a stripe, and what can be made again from them: P is the sum of the data
 * columns, Q the sum of g<sup>i</sup>·d<sub>i</sub>, in GF(2⁸) with the polynomial x⁸+x⁴+x³+x²+1
 * (0x11D) and g = 2, as in Linux' RAID 6 and in ISA-L's {@code pq_gen}. Any two columns of a stripe
 * can be lost.
 *
 * <p>The columns lie in one segment, {@code strideBytes} apart: k data columns, then P, then Q.
 *
 * <p>Works on eight bytes at a time in arrays, to which the columns are copied: loops over arrays
 * become vector instructions, loops over several places of one segment don't. Not thread-safe.
 */
final class ParityCode {
  /** Most data columns. */
  static final int MAX_DATA = 253;

  /** No column, where one may be named. */
  static final int NONE = -1;

  private static final int STEP_BYTES = Drive.BLOCK_BYTES;
  private static final int STEP = STEP_BYTES / Long.BYTES;
  private static final int POLYNOMIAL = 0x11d;
  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;
  private static final long REDUCTION = 0x1d1d_1d1d_1d1d_1d1dL;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  /** g to the power of the index, twice over. */
  private static final int[] POWERS = new int[510];

  private static final int[] LOGARITHMS = new int[256];

  static {
    int value = 1;
    for (int i = 0; i < 255; i++) {
      POWERS[i] = value;
      POWERS[i + 255] = value;
      LOGARITHMS[value] = i;
      value <<= 1;
      value ^= value > 0xff ? POLYNOMIAL : 0;
    }
  }

  private final long[] p = new long[STEP];
  private final long[] q = new long[STEP];
  private final long[] one = new long[STEP];
  private final long[] other = new long[STEP];

  private MemorySegment memory = MemorySegment.NULL;
  private long base;
  private long strideBytes;
  private int data;

  /**
   * Makes P and Q.
   *
   * @param lengthBytes length of a column, a multiple of 4096
   */
  void encode(MemorySegment segment, long offset, long stride, int dataColumns, int lengthBytes) {
    recover(segment, offset, stride, dataColumns, lengthBytes, dataColumns, dataColumns + 1);
  }

  /**
   * Makes one or two columns again from all others.
   *
   * @param lengthBytes length of a column, a multiple of 4096
   * @param first a column: data by its index, then P, then Q
   * @param second another one, or {@link #NONE}
   */
  void recover(
      MemorySegment segment,
      long offset,
      long stride,
      int dataColumns,
      int lengthBytes,
      int first,
      int second) {
    int low = second == NONE ? first : Math.min(first, second);
    int high = second == NONE ? NONE : Math.max(first, second);
    boolean valid =
        low >= 0
            && low != high
            && dataColumns >= 1
            && dataColumns <= MAX_DATA
            && Math.max(low, high) < dataColumns + 2
            && lengthBytes % STEP_BYTES == 0;
    if (!valid) {
      throw new IllegalArgumentException(
          "columns %d and %d of %d + 2, %d bytes"
              .formatted(first, second, dataColumns, lengthBytes));
    }
    memory = segment;
    strideBytes = stride;
    data = dataColumns;
    for (int done = 0; done < lengthBytes; done += STEP_BYTES) {
      base = offset + done;
      recoverStep(low, high);
    }
    memory = MemorySegment.NULL;
  }

  private void recoverStep(int low, int high) {
    if (low >= data) {
      sum(NONE, NONE);
      store(low, low == data ? p : q);
      if (high != NONE) {
        store(high, q);
      }
    } else if (high == NONE || high == data + 1) {
      fromP(low);
      if (high != NONE) {
        sum(NONE, NONE);
        store(high, q);
      }
    } else if (high == data) {
      fromQ(low);
      sum(NONE, NONE);
      store(high, p);
    } else {
      fromBoth(low, high);
    }
  }

  /** A data column, from P and the other data. */
  private void fromP(int column) {
    sum(column, NONE);
    load(data, one);
    add(one, p);
    store(column, p);
  }

  /** A data column, from Q and the other data. */
  private void fromQ(int column) {
    sum(column, NONE);
    load(data + 1, one);
    add(one, q);
    multiply(q, inverse(POWERS[column]), other);
    store(column, other);
  }

  /** Two data columns x and y, from P, Q and the other data. */
  private void fromBoth(int x, int y) {
    sum(x, y);
    load(data, one);
    add(one, p); // x + y
    load(data + 1, one);
    add(one, q); // g^x x + g^y y
    int divisor = inverse(POWERS[y - x] ^ 1);
    multiply(p, product(POWERS[y - x], divisor), one);
    multiply(q, product(inverse(POWERS[x]), divisor), other);
    add(other, one);
    store(x, one);
    add(one, p);
    store(y, p);
  }

  /** P and Q of the data, with zeros for up to two columns. */
  private void sum(int without, int orWithout) {
    int column = data - 1;
    loadUnless(column, without, orWithout, p);
    System.arraycopy(p, 0, q, 0, STEP);
    for (column--; column > 0; column -= 2) {
      loadUnless(column, without, orWithout, one);
      loadUnless(column - 1, without, orWithout, other);
      addTwo(one, other, p, q);
    }
    if (column == 0) {
      loadUnless(0, without, orWithout, one);
      addOne(one, p, q);
    }
  }

  private void loadUnless(int column, int without, int orWithout, long[] to) {
    if (column == without || column == orWithout) {
      Arrays.fill(to, 0);
    } else {
      load(column, to);
    }
  }

  private void load(int column, long[] to) {
    MemorySegment.copy(memory, LONG, base + column * strideBytes, to, 0, STEP);
  }

  private void store(int column, long[] from) {
    MemorySegment.copy(from, 0, memory, LONG, base + column * strideBytes, STEP);
  }

  // ---- loops over arrays ----

  /** Eight bytes times g. */
  private static long twice(long value) {
    long high = value & HIGH_BITS;
    return ((value ^ high) << 1) ^ (((high << 1) - (high >>> 7)) & REDUCTION);
  }

  private static void add(long[] from, long[] to) {
    for (int i = 0; i < STEP; i++) {
      to[i] ^= from[i];
    }
  }

  private static void addOne(long[] d, long[] p, long[] q) {
    for (int i = 0; i < STEP; i++) {
      long value = d[i];
      p[i] ^= value;
      q[i] = twice(q[i]) ^ value;
    }
  }

  /** Two columns in one go, the one of the higher power first. */
  private static void addTwo(long[] high, long[] low, long[] p, long[] q) {
    for (int i = 0; i < STEP; i++) {
      long one = high[i];
      long two = low[i];
      p[i] ^= one ^ two;
      q[i] = twice(twice(q[i]) ^ one) ^ two;
    }
  }

  private static void multiply(long[] from, int factor, long[] to) {
    Arrays.fill(to, 0);
    for (int bit = 7; bit >= 0; bit--) {
      addTimes(from, (factor >> bit & 1) == 0 ? 0 : -1L, to);
    }
  }

  private static void addTimes(long[] from, long mask, long[] to) {
    for (int i = 0; i < STEP; i++) {
      to[i] = twice(to[i]) ^ (from[i] & mask);
    }
  }

  // ---- single elements ----

  private static int product(int a, int b) {
    return a == 0 || b == 0 ? 0 : POWERS[LOGARITHMS[a] + LOGARITHMS[b]];
  }

  private static int inverse(int a) {
    return POWERS[255 - LOGARITHMS[a]];
  }
}
