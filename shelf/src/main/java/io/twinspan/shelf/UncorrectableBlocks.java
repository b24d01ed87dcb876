package io.twinspan.shelf;

import java.util.Arrays;

/**
 * Blocks of a namespace that fail to be read until they are written again: what Write Uncorrectable
 * makes of them, and what a faulty medium does (NVM Express 1.4, section 6.17).
 *
 * <p>Ranges, sorted and apart. Looking is cheap while there are none. The agent thread's; look-ups
 * and removals allocate nothing.
 */
final class UncorrectableBlocks {
  /** Most ranges. */
  static final int MAX_RANGES = 1024;

  private final long[] firsts = new long[MAX_RANGES + 1];
  private final long[] ends = new long[MAX_RANGES + 1];
  private int count;
  private boolean changed;

  /** Whether blocks became readable since {@link #saved}. */
  boolean hasChanged() {
    return changed;
  }

  /** All that there is was saved, or is about to be. */
  void saved() {
    changed = false;
  }

  /** How many ranges there are. */
  int count() {
    return count;
  }

  /** The first block of a range. */
  long first(int index) {
    return firsts[index];
  }

  /** The first block after a range. */
  long end(int index) {
    return ends[index];
  }

  /** Whether any of these blocks can't be read. */
  boolean overlaps(long lba, long blocks) {
    if (count == 0) {
      return false;
    }
    int at = firstEndingAfter(lba);
    return at < count && firsts[at] < lba + blocks;
  }

  /** Adds blocks; returns false, and does nothing, if that would make too many ranges. */
  boolean add(long lba, long blocks) {
    int from = firstEndingAfter(lba - 1); // joins one that ends where this begins
    int to = from;
    long first = lba;
    long end = lba + blocks;
    while (to < count && firsts[to] <= end) {
      first = Math.min(first, firsts[to]);
      end = Math.max(end, ends[to]);
      to++;
    }
    if (to == from && count == MAX_RANGES) {
      return false;
    }
    replace(from, to, 1);
    firsts[from] = first;
    ends[from] = end;
    return true;
  }

  /**
   * These blocks were written: they can be read again. A range that would have to become two when
   * there are as many as can be loses its rest too.
   */
  void remove(long lba, long blocks) {
    if (count == 0) {
      return;
    }
    long end = lba + blocks;
    int at = firstEndingAfter(lba);
    while (at < count && firsts[at] < end) {
      long first = firsts[at];
      long last = ends[at];
      boolean before = first < lba;
      changed = true;
      boolean after = last > end && count + (before ? 1 : 0) <= MAX_RANGES;
      replace(at, at + 1, (before ? 1 : 0) + (after ? 1 : 0));
      if (before) {
        firsts[at] = first;
        ends[at] = lba;
        at++;
      }
      if (after) {
        firsts[at] = end;
        ends[at] = last;
        at++;
      }
    }
  }

  /** Makes room for some ranges where others were. */
  private void replace(int from, int to, int ranges) {
    int moved = count - to;
    System.arraycopy(firsts, to, firsts, from + ranges, moved);
    System.arraycopy(ends, to, ends, from + ranges, moved);
    count = from + ranges + moved;
  }

  private int firstEndingAfter(long lba) {
    int found = Arrays.binarySearch(ends, 0, count, lba + 1);
    return found >= 0 ? found : -found - 1;
  }
}
