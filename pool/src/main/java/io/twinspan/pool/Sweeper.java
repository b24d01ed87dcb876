package io.twinspan.pool;

import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Goes over all data in the background, a run of blocks at a time: reads both copies, compares them
 * with the checksum in the map, and writes a right copy over a wrong one. A <b>scrub</b> does that
 * for everything; a <b>rebuild</b> only for chunks with a copy on a drive that was taken in again,
 * and it goes first.
 *
 * <p>A run is held like a read: nothing can be written to it meanwhile, so nothing else can have
 * moved into its place when a copy is repaired. Reads only what {@link #allow} lets it.
 *
 * <p>The superblock says where to go on after a crash. A rebuild's position goes there only when
 * what lies before it was flushed.
 */
final class Sweeper implements Operation.Path, PoolCompletion {
  private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);
  private static final int COPY_BYTES = Pool.MAX_IO_BLOCKS * Drive.BLOCK_BYTES;

  /** Runs that are passed over in one step, for they have no copy on the drive to be rebuilt. */
  private static final int MOST_PASSED = 64;

  /** The superblock learns of the position so often: after 64 MiB of data. */
  private static final long STRIDE_BLOCKS = 16384;

  private static final int READING = 0;
  private static final int WRITING = 1;

  private final OpenPool pool;
  private final Operation operation;
  private final SweepProgress rebuild = new SweepProgress();
  private final int[] checksums = new int[Pool.MAX_IO_BLOCKS];

  /** Blocks of each copy that were read, then those that are right, as bits. */
  private final int[] good = new int[2];

  private boolean busy;
  private boolean paused;
  private boolean rebuilds;
  private boolean full;
  private boolean persisting;
  private boolean ending;
  private int rebuildRound;
  private int budgetBlocks;
  private int physical;
  private int count;
  private int repaired;
  private int lost;
  private long persistedDone;

  Sweeper(OpenPool pool) {
    this.pool = pool;
    this.operation = new Operation(pool);
    rebuild.copyFrom(pool.root.rebuild);
  }

  /** Whether there is something to do. */
  boolean wantsToRead() {
    boolean scrubs = pool.root.scrubState == Superblock.SCRUB_RUNNING;
    return !paused && !pool.isHalted() && (scrubs || pool.root.rebuildingDrives != 0);
  }

  /** Starts a scrub, or goes on with one that was stopped. */
  void startScrub(Operation asked) {
    int before = pool.root.scrubState;
    if (before == Superblock.SCRUB_NONE || before == Superblock.SCRUB_DONE) {
      pool.root.scrub.clear();
    }
    pool.root.scrubState = Superblock.SCRUB_RUNNING;
    pool.rootWriter.changed(_ -> pool.finish(asked, PoolStatus.OK));
  }

  /** Stops the scrub, if there is one. */
  void stopScrub(Operation asked) {
    if (pool.root.scrubState == Superblock.SCRUB_RUNNING) {
      pool.root.scrubState = Superblock.SCRUB_STOPPED;
    }
    pool.rootWriter.changed(_ -> pool.finish(asked, PoolStatus.OK));
  }

  /** Lets so many blocks be read from now on, twice each, instead of what was allowed before. */
  void allow(int blocks) {
    budgetBlocks = blocks;
  }

  /** Begins nothing any more: the pool closes. */
  void pause() {
    paused = true;
  }

  /** What there is to say of the drives and of what goes on in the background. */
  PoolHealth health() {
    List<PoolHealth.DriveState> drives = new ArrayList<>();
    for (int i = 0; i < pool.drives.count(); i++) {
      drives.add(stateOf(i));
    }
    PoolHealth.ScrubState scrub =
        switch (pool.root.scrubState) {
          case Superblock.SCRUB_RUNNING -> PoolHealth.ScrubState.RUNNING;
          case Superblock.SCRUB_STOPPED -> PoolHealth.ScrubState.STOPPED;
          case Superblock.SCRUB_DONE -> PoolHealth.ScrubState.DONE;
          default -> PoolHealth.ScrubState.NONE;
        };
    return new PoolHealth(drives, scrub, describe(pool.root.scrub), describe(rebuild));
  }

  private PoolHealth.DriveState stateOf(int drive) {
    PoolHealth.DriveState state = PoolHealth.DriveState.MEMBER;
    if (!pool.drives.isLive(drive)) {
      state = PoolHealth.DriveState.FAILED;
    } else if (pool.driveChanges.isJoining(drive)) {
      state = PoolHealth.DriveState.JOINING;
    } else if (pool.isRebuilding(drive)) {
      state = PoolHealth.DriveState.REBUILDING;
    }
    return state;
  }

  private PoolHealth.Progress describe(SweepProgress progress) {
    long total = pool.volumes.mappedBlocks();
    return new PoolHealth.Progress(progress.done, total, progress.repaired, progress.lost);
  }

  /** Starts the rebuild anew: there is one more drive to be rebuilt. */
  void restartRebuild() {
    rebuildRound++;
    rebuild.clear();
    pool.root.rebuild.clear();
    persistedDone = 0;
    persisting = false;
    ending = false;
  }

  int work() {
    if (busy || budgetBlocks <= 0 || !wantsToRead()) {
      return 0;
    }
    rebuilds = pool.root.rebuildingDrives != 0;
    if (rebuilds && ending) {
      return 0; // the last flush is under way
    }
    return step(rebuilds ? rebuild : pool.root.scrub);
  }

  private int step(SweepProgress progress) {
    for (int passed = 0; passed < MOST_PASSED; passed++) {
      Volume volume = pool.volumes.fromNumber(progress.volumeNumber);
      if (volume == null) {
        end();
        return 1;
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
          return 1;
        }
        progress.block = (int) block + length;
        progress.done += length;
      }
    }
    return 1;
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
    busy = true;
    operation.begin(Operation.Kind.SWEEP, volume, block, length);
    operation.path = this;
    operation.completion = this;
    pool.add(operation);
  }

  /** The run is ours: reads its copies. It may have changed while it waited. */
  void start(Volume volume) {
    repaired = 0;
    lost = 0;
    count = 0;
    full = false;
    physical = volume.physical(operation.block);
    operation.phase = READING;
    if (physical >= 0) {
      count = runLength(volume, operation.block, (int) operation.blockCount);
      volume.copyChecksums(operation.block, count, checksums, 0);
      budgetBlocks -= count;
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
    busy = false;
    SweepProgress progress = rebuilds ? rebuild : pool.root.scrub;
    if (status == PoolStatus.OK && full) {
      budgetBlocks = 0; // a thin drive has no room: try again later
      return;
    }
    boolean gone = status == PoolStatus.INVALID;
    if (status == PoolStatus.OK || gone) {
      progress.block = (int) (operation.block + (gone ? operation.blockCount : Math.max(1, count)));
      progress.done += gone ? 0 : count;
      progress.repaired += gone ? 0 : repaired;
      progress.lost += gone ? 0 : lost;
      persistSometimes(progress);
    }
  }

  private void persistSometimes(SweepProgress progress) {
    if (progress.done < persistedDone) {
      persistedDone = 0; // another pass
    }
    if (progress.done - persistedDone < STRIDE_BLOCKS) {
      return;
    }
    persistedDone = progress.done;
    if (!rebuilds) {
      pool.rootWriter.changed();
    } else if (!persisting) {
      persisting = true;
      int round = rebuildRound;
      SweepProgress reached = new SweepProgress();
      reached.copyFrom(progress);
      pool.flusher.request(() -> {
        if (round == rebuildRound) {
          persisting = false;
          pool.root.rebuild.copyFrom(reached);
          pool.rootWriter.changed();
        }
      });
    }
  }

  private void end() {
    if (!rebuilds) {
      LOG.info(
          "pool {}: scrub done, {} blocks, {} copies repaired, {} blocks lost",
          pool.root.poolIndex,
          pool.root.scrub.done,
          pool.root.scrub.repaired,
          pool.root.scrub.lost);
      pool.root.scrubState = Superblock.SCRUB_DONE;
      pool.rootWriter.changed();
      return;
    }
    ending = true;
    int round = rebuildRound;
    pool.flusher.request(() -> {
      if (round == rebuildRound) {
        rebuilt();
      }
    });
  }

  private void rebuilt() {
    LOG.info(
        "pool {}: rebuild done, {} blocks written, {} blocks lost",
        pool.root.poolIndex,
        rebuild.repaired,
        rebuild.lost);
    restartRebuild();
    pool.root.rebuildingDrives = 0;
    pool.rootWriter.changed();
  }
}
