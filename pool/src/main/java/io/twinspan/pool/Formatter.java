package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/**
 * Writes an empty pool: clears the metadata area, which also makes thin drives set it aside, then
 * writes the superblocks.
 */
final class Formatter implements DriveIo.Listener {
  private static final int STEP_BLOCKS = PoolMemory.RECOVERY_BYTES / Drive.BLOCK_BYTES;

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Superblock root;
  private int pendingIos;
  private long cleared;
  private int step;
  private PoolStatus status = PoolStatus.OK;

  Formatter(DriveSet drives, MemorySegment memory, Checksums checksums, Superblock root) {
    this.drives = drives;
    this.memory = memory;
    this.root = root;
    memory.asSlice(PoolMemory.RECOVERY_OFFSET, PoolMemory.RECOVERY_BYTES).fill((byte) 0);
    for (int i = 0; i < drives.count(); i++) {
      root.store(i, memory, PoolMemory.superblockOffset(i), checksums);
    }
  }

  /** One step, when the drives are done with the one before. */
  int work() {
    if (pendingIos > 0 || isDone()) {
      return 0;
    }
    if (drives.liveCount() < drives.count()) {
      status = PoolStatus.NO_QUORUM;
    } else if (cleared < root.layout.dataBlock()) {
      int count = (int) Math.min(STEP_BLOCKS, root.layout.dataBlock() - cleared);
      writeAll(cleared, count, -1);
      cleared += count;
    } else {
      switch (step++) {
        case 0, 2 -> flushAll();
        case 1 -> writeAll(0, 1, 0);
        default -> {}
      }
    }
    return 1;
  }

  boolean isDone() {
    return pendingIos == 0 && (step == 4 || status != PoolStatus.OK);
  }

  PoolStatus status() {
    return status;
  }

  private void writeAll(long block, int count, int superblock) {
    for (int i = 0; i < drives.count(); i++) {
      long offset = superblock < 0 ? PoolMemory.RECOVERY_OFFSET : PoolMemory.superblockOffset(i);
      pendingIos += drives.write(i, block, count, memory, offset, this, 0);
    }
  }

  private void flushAll() {
    for (int i = 0; i < drives.count(); i++) {
      pendingIos += drives.flush(i, this);
    }
  }

  @Override
  public void ioDone(DriveIo io, int ioStatus) {
    pendingIos--;
    if (ioStatus == Drive.RESERVATION_CONFLICT) {
      status = PoolStatus.FENCED;
    } else if (ioStatus == Drive.CAPACITY_EXCEEDED) {
      status = PoolStatus.NO_SPACE;
    } else if (ioStatus != Drive.OK && status == PoolStatus.OK) {
      status = PoolStatus.NO_QUORUM;
    }
  }
}
