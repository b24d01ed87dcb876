package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Finds out which columns of a stripe are wrong and makes them again. Only cells that a volume maps
 * have a checksum; parities and cells that nobody needs any more have none. So a column without one
 * may be wrong unnoticed: if what was made again from all columns does not have its checksum, each
 * of those is left out in turn, as far as there is redundancy left for that.
 *
 * <p>Columns lie in memory as {@link ParityCode} has them. Not thread-safe.
 */
final class StripeSolver {
  /** No checksum is known. */
  static final long UNKNOWN = -1;

  private static final int BYTES = Drive.BLOCK_BYTES;

  private final Checksums checksums;
  private final ParityCode code = new ParityCode();
  private final int data;
  private final int all;

  /** Checksums of the data columns, or {@link #UNKNOWN}: set before {@link #solve}. */
  final long[] known;

  private final byte[][] saved = new byte[2][BYTES];
  private MemorySegment memory = MemorySegment.NULL;
  private long base;
  private long strideBytes;
  private int bad;
  private int right;
  private int wrong;

  StripeSolver(Layout layout, Checksums checksums) {
    this.checksums = checksums;
    this.data = layout.dataColumns();
    this.all = (1 << layout.driveCount()) - 1;
    this.known = new long[data];
  }

  /**
   * Columns that are not what they were in memory, or on a drive, and are right in memory now, as
   * bits; after {@link #solve}.
   */
  int wrong() {
    return wrong;
  }

  /** Data columns with a checksum that could not be made again, as bits; after {@link #solve}. */
  int lost() {
    return bad;
  }

  /**
   * Solves a stripe. When everything is known again, parities included, that is what is in memory
   * then; when something is lost, memory is as it was.
   *
   * @param present columns that could be read, as bits
   * @param doubtful of them those on drives that may lack them, as bits
   * @param whole whether parities are to be looked at as well, even if no data is wrong
   */
  void solve(
      MemorySegment segment, long offset, long stride, int present, int doubtful, boolean whole) {
    memory = segment;
    base = offset;
    strideBytes = stride;
    verify(present);
    wrong = bad | (all & ~present);
    int erased = bad | (all & ~present);
    int doubted = doubtful & present & ~right & ~bad;
    boolean solved = tryWithout(erased | doubted) || (doubted != 0 && tryWithout(erased));
    if (!solved && Integer.bitCount(erased) == 1) {
      for (int rest = all & ~right & ~erased; rest != 0 && !solved; rest &= rest - 1) {
        solved = tryWithout(erased | Integer.lowestOneBit(rest));
      }
    }
    if (solved) {
      bad = 0;
      if (whole) {
        checkParities();
      }
    } else {
      wrong = 0;
    }
  }

  private void verify(int present) {
    bad = 0;
    right = 0;
    for (int column = 0; column < data; column++) {
      if (known[column] != UNKNOWN) {
        boolean holds = (present & 1 << column) != 0 && isRight(column);
        right |= holds ? 1 << column : 0;
        bad |= holds ? 0 : 1 << column;
      }
    }
  }

  private boolean isRight(int column) {
    return checksums.of(memory, at(column), BYTES) == (int) known[column];
  }

  private long at(int column) {
    return base + column * strideBytes;
  }

  /** Makes columns again from the others; puts back what was there when that is not right. */
  private boolean tryWithout(int columns) {
    int count = Integer.bitCount(columns);
    if (count == 0) {
      return true;
    }
    if (count > Layout.PARITIES) {
      return false;
    }
    int first = Integer.numberOfTrailingZeros(columns);
    int second = count == 1 ? ParityCode.NONE : 31 - Integer.numberOfLeadingZeros(columns);
    save(first, saved[0]);
    if (second != ParityCode.NONE) {
      save(second, saved[1]);
    }
    code.recover(memory, base, strideBytes, data, BYTES, first, second);
    boolean holds = true;
    for (int rest = bad; rest != 0; rest &= rest - 1) {
      holds &= isRight(Integer.numberOfTrailingZeros(rest));
    }
    if (holds) {
      wrong |= changed(first, saved[0]);
      wrong |= second == ParityCode.NONE ? 0 : changed(second, saved[1]);
    } else {
      restore(first, saved[0]);
      if (second != ParityCode.NONE) {
        restore(second, saved[1]);
      }
    }
    return holds;
  }

  private void checkParities() {
    save(data, saved[0]);
    save(data + 1, saved[1]);
    code.encode(memory, base, strideBytes, data, BYTES);
    wrong |= changed(data, saved[0]);
    wrong |= changed(data + 1, saved[1]);
  }

  private void save(int column, byte[] to) {
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, at(column), to, 0, BYTES);
  }

  private void restore(int column, byte[] from) {
    MemorySegment.copy(from, 0, memory, ValueLayout.JAVA_BYTE, at(column), BYTES);
  }

  private int changed(int column, byte[] before) {
    MemorySegment old = MemorySegment.ofArray(before);
    long difference = MemorySegment.mismatch(old, 0, BYTES, memory, at(column), at(column) + BYTES);
    return difference < 0 ? 0 : 1 << column;
  }
}
