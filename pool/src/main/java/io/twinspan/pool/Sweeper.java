package io.twinspan.pool;

import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Goes over all data in the background, as a {@link Sweep} does: what is wrong is made again from
 * copies or parities. A <b>scrub</b> does that for everything; a <b>rebuild</b> only for what has a
 * part on a drive that was taken in again, and it goes first. Reads only what {@link #allow} lets
 * it.
 *
 * <p>The superblock says where to go on after a crash. A rebuild's position goes there only when
 * what lies before it was flushed.
 */
final class Sweeper {
  private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);

  /** The superblock learns of the position so often: after 64 MiB of data. */
  private static final long STRIDE_BLOCKS = 16384;

  private final OpenPool pool;
  private final Sweep sweep;
  private final SweepProgress rebuild = new SweepProgress();
  private boolean busy;
  private boolean paused;
  private boolean rebuilds;
  private boolean persisting;
  private boolean ending;
  private int rebuildRound;
  private int budgetBlocks;
  private long persistedDone;

  Sweeper(OpenPool pool) {
    this.pool = pool;
    this.sweep = pool.path.sweep(this);
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
    return new PoolHealth(
        drives,
        scrub,
        describe(pool.root.scrub),
        describe(rebuild),
        pool.layout.redundancy(),
        pool.traffic());
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
    return new PoolHealth.Progress(
        progress.done, sweep.totalBlocks(), progress.repaired, progress.lost);
  }

  /** Counts the times that a rebuild was started anew. */
  int round() {
    return rebuildRound;
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
    switch (sweep.step(rebuilds ? rebuild : pool.root.scrub, rebuilds)) {
      case END -> end();
      case BEGUN -> busy = true;
      case PASSED -> {}
    }
    return 1;
  }

  /** So many blocks are being read. */
  void spend(int blocks) {
    budgetBlocks -= blocks;
  }

  /**
   * A step that had begun has ended, and the progress says how far it came.
   *
   * @param full whether a thin drive had no room for a repair: it is tried again later
   */
  void swept(boolean full) {
    busy = false;
    if (full) {
      budgetBlocks = 0;
    } else {
      persistSometimes(rebuilds ? rebuild : pool.root.scrub);
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
