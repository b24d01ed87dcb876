package io.twinspan.pool;

import java.util.ArrayList;
import java.util.List;

/**
 * Persists the superblock: on every live drive, into the slot that does not hold the drive's newest
 * one, then flushed. Changes made meanwhile go into the next round.
 */
final class RootWriter implements DriveIo.Listener, Flusher.Waiter {
  private enum Phase {
    IDLE,
    WRITING,
    FLUSHING
  }

  /** Waits for a change to be persisted. */
  interface Waiter {
    /**
     * The superblock is on the drives.
     *
     * @param majority whether a majority of the members before this change have it
     */
    void persisted(boolean majority);
  }

  private record Waiting(long version, Waiter waiter) {}

  private final OpenPool pool;
  private final int[] slots;
  private final List<Waiting> waiting = new ArrayList<>();
  private Phase phase = Phase.IDLE;
  private int pendingIos;
  private boolean again;
  private long wantedVersion;
  private long roundVersion;
  private long persistedVersion;
  private int members;
  private int persistedFailures;
  private int roundFailures;

  /**
   * Creates it.
   *
   * @param slots slot of each drive's newest superblock
   */
  RootWriter(OpenPool pool, int[] slots) {
    this.pool = pool;
    this.slots = slots.clone();
    this.members = pool.root.memberCount();
    this.persistedFailures = pool.root.failedDrives;
  }

  /** Whether the superblocks on the drives name every drive that has failed. */
  boolean hasRecordOfFailures() {
    return (pool.drives.failedBits() & ~persistedFailures) == 0;
  }

  /** The root was changed: persist it. */
  void changed() {
    wantedVersion++;
  }

  /** The root was changed: persist it and say when that is done. */
  void changed(Waiter waiter) {
    wantedVersion++;
    waiting.add(new Waiting(wantedVersion, waiter));
  }

  /**
   * Whether enough drives are left to go on. An opener needs more than half of the members, so half
   * of them are enough for an owner to know that nobody else can have become the owner without
   * fencing one of them.
   */
  boolean ownerHasQuorum() {
    int live = liveMembers();
    return 2 * live >= members && live > 0;
  }

  /** Whether the owner could go on if this drive failed as well. */
  boolean ownerHasQuorumWithout(int drive) {
    boolean counts = pool.drives.isLive(drive) && (persistedFailures & 1 << drive) == 0;
    int live = liveMembers() - (counts ? 1 : 0);
    return 2 * live >= members && live > 0;
  }

  /** Drives that take part and are members by what is on the drives; one that joins is none yet. */
  private int liveMembers() {
    int live = 0;
    for (int i = 0; i < pool.drives.count(); i++) {
      live += pool.drives.isLive(i) && (persistedFailures & 1 << i) == 0 ? 1 : 0;
    }
    return live;
  }

  int work() {
    if (phase == Phase.WRITING && pendingIos == 0) {
      if (again) {
        write();
      } else {
        phase = Phase.FLUSHING;
        pool.flusher.request(this);
      }
      return 1;
    }
    if (phase == Phase.IDLE && wantedVersion > persistedVersion) {
      start();
      return 1;
    }
    return 0;
  }

  private void start() {
    phase = Phase.WRITING;
    roundVersion = wantedVersion;
    pool.root.generation++;
    pool.root.failedDrives |= pool.drives.failedBits();
    pool.root.stableSequence = pool.flusher.stableSequence();
    roundFailures = pool.root.failedDrives;
    for (int i = 0; i < pool.drives.count(); i++) {
      pool.root.store(i, pool.memory, PoolMemory.superblockOffset(i), pool.checksums);
    }
    write();
  }

  private void write() {
    again = false;
    for (int i = 0; i < pool.drives.count(); i++) {
      if (pool.drives.isLive(i)) {
        int slot = 1 - slots[i];
        pendingIos +=
            pool.drives.write(i, slot, 1, pool.memory, PoolMemory.superblockOffset(i), this, 0);
      }
    }
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    again |= status == Drive.CAPACITY_EXCEEDED;
  }

  @Override
  public void flushed() {
    phase = Phase.IDLE;
    for (int i = 0; i < slots.length; i++) {
      slots[i] = pool.drives.isLive(i) ? 1 - slots[i] : slots[i];
    }
    boolean majority = 2 * liveMembers() > members;
    persistedFailures = roundFailures;
    members = pool.drives.count() - Integer.bitCount(roundFailures);
    persistedVersion = roundVersion;
    for (int i = 0; i < waiting.size(); ) {
      if (waiting.get(i).version() <= persistedVersion) {
        waiting.remove(i).waiter().persisted(majority);
      } else {
        i++;
      }
    }
  }
}
