package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes stripes, whole ones only. What is to be written is gathered: a group is begun when there
 * is enough for one, or when no other one is under way; so single writes don't wait, and many at a
 * time share stripes. What a group lacks to whole stripes is filled with zeros, and those cells are
 * wasted until the {@link Cleaner} empties the stripe. The data is copied first, so that parities
 * are those of what is written, whatever becomes of the request's memory.
 */
final class StripeWriter {
  private final ParityPath path;
  private final OpenPool pool;
  private final Layout layout;
  private final Cleaner cleaner;
  private final ParityCode code = new ParityCode();
  private final ArrayDeque<Operation> writes = new ArrayDeque<>();
  private final ArrayDeque<Operation> moves = new ArrayDeque<>();
  private final ArrayDeque<Group> idle = new ArrayDeque<>();
  private final int mostStripes;
  private int underWay;
  private boolean stalled;

  /** Stripes that are written together: runs of them, where there is room. */
  private final class Group implements DriveIo.Listener {
    final long base;
    final List<Operation> operations = new ArrayList<>();
    final int[] first = new int[mostStripes];
    final int[] stripes = new int[mostStripes];
    int runs;
    int pendingIos;
    int missingDrives;
    boolean full;

    /** Where the next block goes to. */
    int run;

    int position;

    Group(long base) {
      this.base = base;
    }

    void begin(int wanted) {
      runs = 0;
      run = 0;
      position = 0;
      missingDrives = 0;
      full = false;
      operations.clear();
      for (int rest = wanted; rest > 0; rest -= stripes[runs++]) {
        first[runs] = path.space.take(rest);
        stripes[runs] = path.space.takenStripes();
        path.space.hold(first[runs]); // until its cells are in use
        for (int i = 1; i < stripes[runs]; i++) {
          path.space.hold(first[runs] + i);
        }
      }
    }

    /** Copies an operation's data to its places. */
    void place(Operation operation) {
      operations.add(operation);
      operation.runCount = 0;
      boolean moves = operation.kind == Operation.Kind.MOVE;
      MemorySegment from = moves ? pool.memory : operation.request().data;
      long offset = moves ? operation.move().dataOffset : operation.request().dataOffset;
      int count = (int) operation.blockCount;
      for (int index = 0; index < count; ) {
        int deep = stripes[run];
        int row = position % deep;
        int length = Math.min(count - index, deep - row);
        int cell = layout.cell(first[run] + row, position / deep);
        MemorySegment.copy(
            from,
            offset + (long) index * Drive.BLOCK_BYTES,
            pool.memory,
            at(run, position),
            (long) length * Drive.BLOCK_BYTES);
        operation.addRun(index, cell, length, 0);
        var _ = path.space.use(cell, length);
        index += length;
        position += length;
        if (position == deep * layout.dataColumns()) {
          run++;
          position = 0;
        }
      }
    }

    /** Where a block of a run lies in memory: a column after the other. */
    private long at(int ofRun, int block) {
      long stripesBefore = 0;
      for (int i = 0; i < ofRun; i++) {
        stripesBefore += stripes[i];
      }
      return base + (stripesBefore * layout.driveCount() + block) * Drive.BLOCK_BYTES;
    }

    /** Fills up the last stripes, makes the parities, and writes. */
    void write() {
      if (run < runs) {
        long rest = (long) stripes[run] * layout.dataColumns() - position;
        pool.memory.asSlice(at(run, position), rest * Drive.BLOCK_BYTES).fill((byte) 0);
      }
      for (int i = 0; i < runs; i++) {
        int bytes = stripes[i] * Drive.BLOCK_BYTES;
        code.encode(pool.memory, at(i, 0), bytes, layout.dataColumns(), bytes);
        path.space.setWriting(first[i], stripes[i], true);
        unhold(i);
        for (int column = 0; column < layout.driveCount(); column++) {
          write(i, column);
        }
      }
      if (pendingIos == 0) {
        end();
      }
    }

    private void unhold(int index) {
      for (int i = 0; i < stripes[index]; i++) {
        path.space.unhold(first[index] + i);
      }
    }

    private void write(int index, int column) {
      int drive = layout.stripeDrive(first[index], column);
      if (pool.drives.isLive(drive)) {
        long block = layout.stripeBlock(first[index]);
        long from = at(index, column * stripes[index]);
        pendingIos +=
            pool.drives.write(drive, block, stripes[index], pool.memory, from, this, drive);
      } else {
        missingDrives |= 1 << drive;
      }
    }

    @Override
    public void ioDone(DriveIo io, int status) {
      full |= status == Drive.CAPACITY_EXCEEDED;
      missingDrives |= status == Drive.OK ? 0 : 1 << io.tag;
      if (--pendingIos == 0) {
        end();
      }
    }

    private void end() {
      underWay--;
      idle.add(this);
      for (int i = 0; i < runs; i++) {
        path.space.setWriting(first[i], stripes[i], false);
      }
      if (pool.isHalted()) {
        return; // whoever asked is told, and may be gone
      }
      boolean safe = Integer.bitCount(missingDrives) <= Layout.PARITIES;
      for (Operation operation : operations) {
        if (full) {
          giveBack(operation);
        } else if (safe) {
          pool.journal.add(operation);
        } else {
          // Drives failed under it. Others are left: each try costs a drive, so this ends.
          operation.releaseRuns(path.space);
          add(operation);
        }
      }
      operations.clear();
    }
  }

  StripeWriter(ParityPath path, Cleaner cleaner) {
    this.path = path;
    this.pool = path.pool;
    this.layout = path.pool.layout;
    this.cleaner = cleaner;
    this.mostStripes = PoolMemory.STRIPE_GROUP_BYTES / Drive.BLOCK_BYTES / layout.driveCount();
    for (int i = 0; i < PoolMemory.STRIPE_GROUPS; i++) {
      idle.add(
          new Group(PoolMemory.STRIPE_WRITE_OFFSET + (long) i * PoolMemory.STRIPE_GROUP_BYTES));
    }
  }

  void add(Operation operation) {
    (operation.kind == Operation.Kind.MOVE ? moves : writes).add(operation);
  }

  /** Whether a write waits for room. */
  boolean isStalled() {
    return stalled;
  }

  /** Whether writes are under way or wait. */
  boolean isBusy() {
    return underWay > 0 || !writes.isEmpty();
  }

  int work() {
    int work = 0;
    while (!idle.isEmpty() && !(moves.isEmpty() && writes.isEmpty()) && isDue() && start()) {
      work++;
    }
    stalled &= !writes.isEmpty();
    if (stalled && underWay == 0) {
      work += outOfRoom();
    }
    return work;
  }

  private boolean isDue() {
    return underWay == 0 || !moves.isEmpty() || waitingBlocks() >= mostBlocks();
  }

  private int mostBlocks() {
    return mostStripes * layout.dataColumns();
  }

  private int waitingBlocks() {
    int blocks = 0;
    for (Operation operation : writes) {
      blocks += (int) operation.blockCount;
      if (blocks >= mostBlocks()) {
        break;
      }
    }
    return blocks;
  }

  /** Begins a group with what waits, as far as there is room; false when there is none. */
  private boolean start() {
    int blocks = 0;
    int free = path.space.freeStripes();
    if (!moves.isEmpty() && fits(moves.element(), 0, free)) {
      blocks = (int) moves.element().blockCount;
    }
    boolean movesSome = blocks > 0;
    int count = 0;
    for (Operation operation : writes) {
      if (!fits(operation, blocks, free - cleaner.keptStripes())) {
        stalled |= stripesFor(blocks + (int) operation.blockCount) <= mostStripes;
        break;
      }
      blocks += (int) operation.blockCount;
      count++;
    }
    if (blocks == 0) {
      return false;
    }
    stalled &= count == 0;
    underWay++;
    Group group = idle.remove();
    group.begin(stripesFor(blocks));
    if (movesSome) {
      group.place(moves.remove());
    }
    for (int i = 0; i < count; i++) {
      Operation operation = writes.remove();
      group.place(operation);
      pool.reservations.allocated(operation);
    }
    group.write();
    return true;
  }

  private boolean fits(Operation operation, int blocks, int freeStripes) {
    int stripes = stripesFor(blocks + (int) operation.blockCount);
    return stripes <= mostStripes && stripes <= freeStripes;
  }

  private int stripesFor(int blocks) {
    return (blocks + layout.dataColumns() - 1) / layout.dataColumns();
  }

  /** Nothing has room: asks for a flush if that helps, and gives up when nothing does. */
  private int outOfRoom() {
    if (path.space.pendingBlocks() > 0) {
      pool.flusher.request();
    } else if (!cleaner.makesRoom()) {
      giveBack(writes.remove());
      return 1;
    }
    return 0;
  }

  private void giveBack(Operation operation) {
    operation.releaseRuns(path.space);
    pool.finish(operation, PoolStatus.NO_SPACE);
  }
}
