package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Reads stripes as wholes, compares cells with their checksums and parities with the data, and
 * writes again what is wrong or missing on drives that are live. Stripes that lie next to each
 * other, a batch at a time, in the memory from {@link PoolMemory#RECOVERY_OFFSET} on. Nothing else
 * may write to them meanwhile.
 */
final class StripeCheck implements DriveIo.Listener {
  private final DriveSet drives;
  private final MemorySegment memory;
  private final Layout layout;
  private final StripeKnowledge knowledge;
  private final StripeSolver solver;
  private final Runnable progress;
  private final int mostStripes;

  /** Columns of each stripe that could be read, then those that were wrong, as bits. */
  private final int[] present;

  private final int[] wrong;

  /** Data columns of each stripe that are lost, as bits. */
  private final int[] lost;

  private int first;
  private int count;
  private int pendingIos;
  private boolean writes;
  private boolean full;
  private int written;

  /**
   * Creates it.
   *
   * @param progress told when it {@link #isReady}, after {@link #start} and {@link #repair}
   */
  StripeCheck(
      DriveSet drives,
      MemorySegment memory,
      Layout layout,
      Checksums checksums,
      StripeKnowledge knowledge,
      Runnable progress) {
    this.drives = drives;
    this.memory = memory;
    this.layout = layout;
    this.knowledge = knowledge;
    this.progress = progress;
    this.solver = new StripeSolver(layout, checksums);
    int fit = PoolMemory.RECOVERY_BYTES / Drive.BLOCK_BYTES / layout.driveCount();
    this.mostStripes = Math.min(fit, Pool.MAX_IO_BLOCKS);
    this.present = new int[mostStripes];
    this.wrong = new int[mostStripes];
    this.lost = new int[mostStripes];
  }

  /** Most stripes in a batch. */
  int mostStripes() {
    return mostStripes;
  }

  /** Begins to read stripes of one set of chunks. */
  void start(int firstStripe, int stripes) {
    first = firstStripe;
    count = stripes;
    writes = false;
    full = false;
    written = 0;
    Arrays.fill(present, 0);
    for (int column = 0; column < layout.driveCount(); column++) {
      int drive = layout.stripeDrive(first, column);
      if (drives.isLive(drive)) {
        for (int i = 0; i < count; i++) {
          present[i] |= 1 << column;
        }
        pendingIos +=
            drives.read(
                drive, layout.stripeBlock(first), count, memory, at(column, 0), this, column);
      }
    }
  }

  private long at(int column, int index) {
    return PoolMemory.RECOVERY_OFFSET + ((long) column * count + index) * Drive.BLOCK_BYTES;
  }

  /** Whether no drive is at work on it. */
  boolean isReady() {
    return pendingIos == 0;
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    if (!writes && status != Drive.OK) {
      int index = (int) (io.block - layout.stripeBlock(first));
      for (int i = index; i < index + io.blockCount; i++) {
        present[i] &= ~(1 << io.tag);
      }
    }
    full |= writes && status == Drive.CAPACITY_EXCEEDED;
    if (pendingIos == 0) {
      progress.run();
    }
  }

  /** What was read is looked at, once it {@link #isReady}. */
  void solve() {
    for (int i = 0; i < count; i++) {
      int stripe = first + i;
      int doubtful = 0;
      for (int column = 0; column < layout.driveCount(); column++) {
        boolean doubted = knowledge.isDoubtful(layout.stripeDrive(stripe, column));
        doubtful |= doubted ? 1 << column : 0;
        if (column < layout.dataColumns()) {
          solver.known[column] = knowledge.checksumOf(layout.cell(stripe, column));
        }
      }
      long stride = (long) count * Drive.BLOCK_BYTES;
      solver.solve(memory, at(0, i), stride, present[i], doubtful, true);
      wrong[i] = solver.wrong();
      lost[i] = solver.lost();
    }
  }

  /** Columns of a stripe that were wrong or could not be read and are known now, as bits. */
  int wrong(int index) {
    return wrong[index];
  }

  /** Data columns of a stripe that are lost, as bits. */
  int lost(int index) {
    return lost[index];
  }

  /** Writes what was wrong, after {@link #solve}; {@link #isReady} again when that is done. */
  void repair() {
    writes = true;
    for (int column = 0; column < layout.driveCount(); column++) {
      int drive = layout.stripeDrive(first, column);
      int index = 0;
      while (drives.isLive(drive) && index < count) {
        int length = 0;
        while (index + length < count && (wrong[index + length] & 1 << column) != 0) {
          length++;
        }
        if (length > 0) {
          written += length;
          long block = layout.stripeBlock(first) + index;
          pendingIos += drives.write(drive, block, length, memory, at(column, index), this, column);
        }
        index += length + 1;
      }
    }
  }

  /** Blocks written by {@link #repair}. */
  int written() {
    return written;
  }

  /** Whether a thin drive had no room for a repair. */
  boolean isFull() {
    return full;
  }
}
