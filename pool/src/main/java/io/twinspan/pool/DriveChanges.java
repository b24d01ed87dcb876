package io.twinspan.pool;

import org.jspecify.annotations.Nullable;

/**
 * Takes drives out of an open pool, and in again.
 *
 * <p>A drive that is taken in gets everything that is written from then on, but is no member yet.
 * It becomes one, in one change of the superblock, when a checkpoint that began after it was taken
 * in is on it, and with that all metadata: so a member's metadata is always complete, whichever
 * members a later owner finds. From then on the {@link Sweeper} copies the data that it missed. If
 * this controller dies before, the drive is out as it was.
 */
final class DriveChanges {
  private enum Phase {
    IDLE,
    /** Waits for requests that may not know of the drive, and for an older checkpoint. */
    SETTLING,
    /** The checkpoint is being written. */
    CHECKPOINT,
    /** The superblock that makes the drive a member is being written. */
    PERSISTING
  }

  private final OpenPool pool;
  private Phase phase = Phase.IDLE;
  private int joining = -1;
  private long lastOrder;
  private long checkpointsBefore;
  private @Nullable Operation operation;

  DriveChanges(OpenPool pool) {
    this.pool = pool;
  }

  boolean isJoining(int drive) {
    return drive == joining;
  }

  /** Takes a drive out, if every block has a copy elsewhere and enough drives are left. */
  void fail(Operation asked) {
    int drive = asked.volume;
    if (!isIndex(drive) || (pool.drives.isLive(drive) && !isDispensable(drive))) {
      pool.finish(asked, PoolStatus.INVALID);
      return;
    }
    pool.drives.fail(drive, Drive.OK);
    pool.rootWriter.changed(_ -> pool.finish(asked, PoolStatus.OK));
  }

  private boolean isIndex(int drive) {
    return drive >= 0 && drive < pool.drives.count();
  }

  private boolean isDispensable(int drive) {
    return pool.path.isDispensable(drive) && pool.rootWriter.ownerHasQuorumWithout(drive);
  }

  /** Takes a drive in again that is out and that answers. */
  void replace(Operation asked) {
    int drive = asked.volume;
    if (isIndex(drive) && pool.drives.isLive(drive) && pool.isRebuilding(drive)) {
      pool.finish(asked, PoolStatus.OK); // it was taken in before
      return;
    }
    boolean possible =
        isIndex(drive)
            && !pool.drives.isLive(drive)
            && pool.drives.drive(drive).isPresent()
            && pool.drives.drive(drive).blockCount() >= pool.layout.blocks();
    if (!possible) {
      pool.finish(asked, PoolStatus.INVALID);
      return;
    }
    operation = asked;
    joining = drive;
    lastOrder = asked.order;
    phase = Phase.SETTLING;
    pool.drives.join(drive);
    pool.path.drivesChanged();
    pool.rootWriter.changed(); // gives it a superblock, by which it is no member
  }

  /** A drive has failed. */
  void driveFailed(int drive) {
    Operation asked = operation;
    if (drive == joining && asked != null) {
      end(asked, PoolStatus.MEDIA_ERROR);
    }
  }

  int work() {
    Operation asked = operation;
    if (asked == null) {
      return 0;
    }
    switch (phase) {
      case SETTLING -> {
        if (pool.checkpoint.isIdle() && !pool.hasActiveBefore(lastOrder)) {
          checkpointsBefore = pool.checkpoint.completedCount();
          phase = Phase.CHECKPOINT;
          pool.journal.wantCheckpoint();
          return 1;
        }
      }
      case CHECKPOINT -> {
        if (pool.checkpoint.completedCount() > checkpointsBefore) {
          becomeMember(asked);
          return 1;
        }
      }
      case IDLE, PERSISTING -> {}
    }
    return 0;
  }

  private void becomeMember(Operation asked) {
    phase = Phase.PERSISTING;
    pool.root.failedDrives &= ~(1 << joining);
    pool.root.rebuildingDrives |= 1 << joining;
    pool.sweeper.restartRebuild();
    pool.rootWriter.changed(_ -> {
      if (operation == asked) {
        end(asked, PoolStatus.OK);
      }
    });
  }

  private void end(Operation asked, PoolStatus status) {
    operation = null;
    joining = -1;
    phase = Phase.IDLE;
    pool.finish(asked, status);
  }
}
