package io.twinspan.rdma;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * What a queue pair knows about the cells that only it writes, in its partner's memory. After a
 * failed write a cell holds old or new bytes, or some of each, until a later write succeeds.
 */
final class MixCells {
  static final long UNSETTLED = -1;

  private static final class Cell {
    /** Nothing is known: this process did not see the cell's past. */
    boolean anything = true;

    /** The last write that succeeded, and those that failed since. */
    final List<Long> candidates = new ArrayList<>();

    final ArrayDeque<Long> pending = new ArrayDeque<>();

    /** How many reads of it are outstanding. */
    int readers;

    /** Takes the oldest outstanding write, which must be this one. */
    boolean takes(long stamp) {
      return !pending.isEmpty() && pending.remove() == stamp;
    }
  }

  private final Cell[] cells;

  MixCells(int count) {
    cells = new Cell[count];
    for (int i = 0; i < count; i++) {
      cells[i] = new Cell();
    }
  }

  int count() {
    return cells.length;
  }

  /** The memory is not what the writes made it. Nothing is outstanding. */
  void forget() {
    for (Cell cell : cells) {
      cell.anything = true;
      cell.candidates.clear();
    }
  }

  /** The memory is that of a new process. Nothing is outstanding. */
  void begin() {
    for (Cell cell : cells) {
      cell.anything = false;
      cell.candidates.clear();
      cell.candidates.add(MixPattern.ZEROES);
    }
  }

  /**
   * A read is posted, which sees what was written before.
   *
   * @return the stamp whose bytes it must bring; {@link #UNSETTLED} if that is not known
   */
  long reads(int cell) {
    Cell it = cells[cell];
    it.readers++;
    return it.pending.isEmpty() ? settled(cell) : it.pending.getLast();
  }

  void hasRead(int cell) {
    cells[cell].readers--;
  }

  /** Whether a write would have to wait for a read, which else may bring new bytes. */
  boolean isRead(int cell) {
    return cells[cell].readers > 0;
  }

  void posted(int cell, long stamp) {
    cells[cell].pending.add(stamp);
  }

  void succeeded(int cell, long stamp) {
    Cell it = cells[cell];
    MixViolation.require(it.takes(stamp), "the model lost a write of cell %d", cell);
    it.anything = false;
    it.candidates.clear();
    it.candidates.add(stamp);
  }

  /** It may, or may not, have acted. */
  void failed(int cell, long stamp) {
    Cell it = cells[cell];
    MixViolation.require(it.takes(stamp), "the model lost a write of cell %d", cell);
    it.candidates.add(stamp);
  }

  /** The stamp whose bytes must be there; {@link #UNSETTLED} if more than one may be. */
  long settled(int cell) {
    Cell it = cells[cell];
    boolean settled = !it.anything && it.pending.isEmpty() && it.candidates.size() == 1;
    return settled ? it.candidates.getFirst() : UNSETTLED;
  }
}
