package io.twinspan.pool;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Goes over mirrored data, a run of blocks at a time: reads both copies, compares them with the
 * checksum in the map, and writes a right copy over a wrong one. A rebuild passes over chunks
 * without a copy on a drive that is being rebuilt.
 *
 * <p>A run is held like a read: nothing can be written to it meanwhile, so nothing else can have
 * moved into its place when a copy is repaired.
 */
final class MirrorSweep implements Sweep, Operation.Path, PoolCompletion {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorSweep.class);
  private static final int COPY_BYTES = Pool.MAX_IO_BLOCKS * Drive.BLOCK_BYTES;

  /** Runs that are passed over in one step, for they have no copy on the drive to be rebuilt. */
  private static final int MOST_PASSED = 64;

  private static final int READING = 0;
  private static final int WRITING = 1;

  private final OpenPool pool;
  private final Sweeper sweeper;
  private final Operation operation;
  private final int[] checksums = new int[Pool.MAX_IO_BLOCKS];

  /** Blocks of each copy that were read, then those that are right, as bits. */
  private final int[] good = new int[2];

  private SweepProgress progress = new SweepProgress();
  private boolean full;
  private int physical;
  private int count;
  private int repaired;
  private int lost;

  MirrorSweep(OpenPool pool, Sweeper sweeper) {
    this.pool = pool;
    this.sweeper = sweeper;
    this.operation = new Operation(pool);
  }

  @Override
  public long totalBlocks() {
    return pool.volumes.mappedBlocks();
  }

  @Override
  public Step step(SweepProgress reached, boolean rebuilds) {
    progress = reached;
    for (int passed = 0; passed < MOST_PASSED; passed++) {
      Volume volume = pool.volumes.fromNumber(progress.volumeNumber);
      if (volume == null) {
        return Step.END;
      }
      int number = volume.id & VolumeTable.MAX_NUMBER;
      if (number != progress.volumeNumber) {
        progress.volumeNumber = number;
        progress.block = 0;
      }
      long block = volume.nextMapped(progress.block);
      if (block < 0) {
        progress.volumeNumber = number + 1;
        progress.block = 0;
      } else {
        int length = runLength(volume, block, Pool.MAX_IO_BLOCKS);
        if (!rebuilds || isConcerned(volume.physical(block))) {
          begin(volume.id, block, length);
          return Step.BEGUN;
        }
        progress.block = (int) block + length;
        progress.done += length;
      }
    }
    return Step.PASSED;
  }

  private int runLength(Volume volume, long block, int most) {
    int chunkBlocks = pool.layout.chunkBlocks();
    int inChunk = chunkBlocks - volume.physical(block) % chunkBlocks;
    return volume.runLength(block, Math.min(most, inChunk));
  }

  private boolean isConcerned(int block) {
    return pool.isRebuilding(pool.layout.drive(block, 0))
        || pool.isRebuilding(pool.layout.drive(block, 1));
  }

  private void begin(int volume, long block, int length) {
    operation.begin(Operation.Kind.SWEEP, volume, block, length);
    operation.path = this;
    operation.completion = this;
    pool.add(operation);
  }

  /** The run is ours: reads its copies. It may have changed while it waited. */
  @Override
  public void started(Operation same, Volume volume) {
    repaired = 0;
    lost = 0;
    count = 0;
    full = false;
    physical = volume.physical(operation.block);
    operation.phase = READING;
    if (physical >= 0) {
      count = runLength(volume, operation.block, (int) operation.blockCount);
      volume.copyChecksums(operation.block, count, checksums, 0);
      sweeper.spend(count);
      for (int copy = 0; copy < 2; copy++) {
        read(copy);
      }
    }
    if (operation.pendingIos == 0) {
      pool.finish(operation, PoolStatus.OK);
    }
  }

  private void read(int copy) {
    int drive = pool.layout.drive(physical, copy);
    good[copy] = 0;
    if (pool.drives.isLive(drive)) {
      good[copy] = all();
      long block = pool.layout.driveBlock(physical, copy);
      operation.pendingIos +=
          pool.drives.read(drive, block, count, pool.memory, offset(copy, 0), operation, copy);
    }
  }

  private int all() {
    return (int) ((1L << count) - 1);
  }

  private static long offset(int copy, int index) {
    return PoolMemory.RECOVERY_OFFSET + (long) copy * COPY_BYTES + (long) index * Drive.BLOCK_BYTES;
  }

  @Override
  public void ioDone(Operation same, DriveIo io, int status) {
    if (operation.phase == READING && status != Drive.OK) {
      int first = (int) ((io.dataOffset - offset(io.tag, 0)) / Drive.BLOCK_BYTES);
      good[io.tag] &= ~((int) ((1L << io.blockCount) - 1) << first);
    }
    full |= operation.phase == WRITING && status == Drive.CAPACITY_EXCEEDED;
    if (operation.pendingIos > 0 || pool.endIfHalted(operation)) {
      return;
    }
    if (operation.phase == READING) {
      operation.phase = WRITING;
      verify(0);
      verify(1);
      repair();
    }
    if (operation.pendingIos == 0) {
      pool.finish(operation, PoolStatus.OK);
    }
  }

  private void verify(int copy) {
    boolean counts = !pool.isRebuilding(pool.layout.drive(physical, copy));
    for (int rest = good[copy]; rest != 0; rest &= rest - 1) {
      int index = Integer.numberOfTrailingZeros(rest);
      long at = offset(copy, index);
      if (pool.checksums.of(pool.memory, at, Drive.BLOCK_BYTES) != checksums[index]) {
        good[copy] &= ~(1 << index);
        pool.root.checksumErrors += counts ? 1 : 0;
      }
    }
  }

  private void repair() {
    int none = all() & ~(good[0] | good[1]);
    lost = Integer.bitCount(none);
    if (none != 0) {
      LOG.error(
          "pool {}: no right copy of {} blocks from block {} of volume {} on",
          pool.root.poolIndex,
          lost,
          operation.block + Integer.numberOfTrailingZeros(none),
          operation.volume);
    }
    repair(0);
    repair(1);
  }

  /** Writes what is right in the other copy over this one, in runs. */
  private void repair(int copy) {
    int drive = pool.layout.drive(physical, copy);
    int wrong = good[1 - copy] & ~good[copy];
    if (!pool.drives.isLive(drive)) {
      return;
    }
    for (int index = 0; index < count; ) {
      int length = 0;
      while (index + length < count && (wrong & 1 << (index + length)) != 0) {
        length++;
      }
      if (length > 0) {
        repaired += length;
        long block = pool.layout.driveBlock(physical, copy) + index;
        long from = offset(1 - copy, index);
        operation.pendingIos +=
            pool.drives.write(drive, block, length, pool.memory, from, operation, copy);
      }
      index += length + 1;
    }
  }

  /** The run was gone over, or could not be. */
  @Override
  public void completed(PoolStatus status) {
    boolean gone = status == PoolStatus.INVALID;
    if (!full && (status == PoolStatus.OK || gone)) {
      progress.block = (int) (operation.block + (gone ? operation.blockCount : Math.max(1, count)));
      progress.done += gone ? 0 : count;
      progress.repaired += gone ? 0 : repaired;
      progress.lost += gone ? 0 : lost;
    }
    sweeper.swept(full);
  }
}
