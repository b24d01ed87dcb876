package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Finds the newest consistent state of a pool on its drives: superblocks, then the checkpoint, then
 * the journal, then, if power may have been lost, the data that the last batches speak of.
 *
 * <p>Batches that some drives lack are copied to them. A batch is dropped, with all that follow,
 * when power may have been lost and some data that it is the last to map is nowhere: then it can't
 * have been flushed. With parities, stripes that may be torn are made whole then.
 *
 * <p>If a drive is lost meanwhile, all begins again without it: it may have had the only copy of
 * what was relied on.
 */
final class Recovery implements DriveIo.Listener {
  /**
   * How it ended.
   *
   * @param status OK, or why there is nothing
   * @param found what was found; null unless OK
   */
  record Outcome(PoolStatus status, @Nullable Recovered found) {}

  /** Told once, from {@link #work}. */
  interface Result {
    /** The recovery has ended. */
    void recovered(Outcome outcome);
  }

  private enum Phase {
    SUPERBLOCKS,
    CHECKPOINT,
    JOURNAL,
    TAIL,
    STRIPES,
    DONE
  }

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Checksums checksums;
  private final long arrayId;
  private final int poolIndex;
  private final boolean stayedPowered;
  private final Result result;
  private final int[] slots;
  private final boolean[] usable;
  private final int[] readStatus;
  private int pendingIos;

  /** Drives that are not asked, as bits: they had failed when it began, or are no members. */
  private int without;

  private Phase phase = Phase.SUPERBLOCKS;
  private @Nullable State state;
  private @Nullable TailStripes stripes;
  private Outcome outcome = new Outcome(PoolStatus.NO_QUORUM, null);

  /** What is known once a superblock was found. */
  private record State(
      Superblock root, CheckpointReader checkpoint, JournalReader journal, TailCheck tail) {}

  Recovery(
      DriveSet drives,
      MemorySegment memory,
      Checksums checksums,
      long arrayId,
      int poolIndex,
      boolean stayedPowered,
      Result result) {
    this.drives = drives;
    this.memory = memory;
    this.checksums = checksums;
    this.arrayId = arrayId;
    this.poolIndex = poolIndex;
    this.stayedPowered = stayedPowered;
    this.result = result;
    this.slots = new int[drives.count()];
    this.usable = new boolean[drives.count()];
    this.readStatus = new int[drives.count()];
    begin();
  }

  private void begin() {
    phase = Phase.SUPERBLOCKS;
    Arrays.fill(readStatus, Drive.OK);
    for (int i = 0; i < drives.count(); i++) {
      if (drives.isLive(i)) {
        pendingIos +=
            drives.read(i, 0, Layout.SUPERBLOCKS, memory, PoolMemory.superblockOffset(i), this, 0);
      }
    }
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    if (status != Drive.OK) {
      readStatus[io.drive] = status;
    }
  }

  /** Goes on as far as possible without waiting for a drive. */
  int work() {
    try {
      return step();
    } catch (IllegalStateException damaged) {
      // Checksums were right and the contents are not: nothing that is safe to go on with.
      phase = Phase.DONE;
      result.recovered(new Outcome(PoolStatus.MEDIA_ERROR, null));
      return 1;
    }
  }

  private int step() {
    State known = state;
    if (phase == Phase.SUPERBLOCKS && pendingIos == 0) {
      chooseRoot();
      return 1;
    }
    if (phase == Phase.CHECKPOINT && known != null && known.checkpoint.isReady()) {
      if (known.checkpoint.step()) {
        phase = Phase.JOURNAL;
        known.journal.start(stayedPowered);
      }
      return 1;
    }
    if (phase == Phase.JOURNAL && known != null && known.journal.isReady()) {
      if (known.journal.step()) {
        phase = Phase.TAIL;
        known.tail.start(known.journal.batches(), known.journal.position(), stayedPowered);
      }
      return 1;
    }
    if (phase == Phase.TAIL && known != null && known.tail.isReady()) {
      if (known.tail.step()) {
        finish(known);
      }
      return 1;
    }
    TailStripes mended = stripes;
    if (phase == Phase.STRIPES && mended != null && mended.isReady()) {
      if (mended.step()) {
        end();
      }
      return 1;
    }
    return 0;
  }

  private void end() {
    if (drives.failedBits() == without) {
      phase = Phase.DONE;
      result.recovered(outcome);
    } else {
      begin();
    }
  }

  private void fail(PoolStatus status) {
    phase = Phase.DONE;
    result.recovered(new Outcome(status, null));
  }

  private void chooseRoot() {
    Superblock best = null;
    @Nullable Superblock[] found = new Superblock[drives.count()];
    int answered = 0;
    for (int i = 0; i < drives.count(); i++) {
      if (drives.isLive(i) && readStatus[i] == Drive.OK) {
        answered++;
        Superblock newest = newestOf(i);
        found[i] = newest;
        best = newest != null && (best == null || newest.isNewerThan(best)) ? newest : best;
      }
    }
    if (best == null) {
      boolean enough = 2 * answered > drives.count();
      fail(enough ? PoolStatus.NOT_FORMATTED : PoolStatus.NO_QUORUM);
      return;
    }
    int members = 0;
    for (int i = 0; i < drives.count(); i++) {
      Superblock own = found[i];
      usable[i] = own != null && best.isMember(i) && own.pool == best.pool;
      members += usable[i] ? 1 : 0;
    }
    boolean broken =
        best.layout.hasParity() && members < best.layout.driveCount() - Layout.PARITIES;
    if (2 * members <= best.memberCount() || broken) {
      fail(PoolStatus.NO_QUORUM);
      return;
    }
    for (int i = 0; i < drives.count(); i++) {
      if (!usable[i]) {
        drives.fail(i, Drive.GONE);
      }
    }
    without = drives.failedBits();
    VolumeTable volumes = new VolumeTable(poolIndex);
    volumes.usedUpTo(best.nextVolumeNumber);
    JournalReader journal = new JournalReader(drives, memory, checksums, best);
    state =
        new State(
            best,
            new CheckpointReader(drives, memory, checksums, best, volumes),
            journal,
            new TailCheck(drives, memory, checksums, best, volumes));
    phase = Phase.CHECKPOINT;
  }

  private @Nullable Superblock newestOf(int drive) {
    Superblock newest = null;
    for (int slot = 0; slot < Layout.SUPERBLOCKS; slot++) {
      Superblock candidate = new Superblock(Layout.NONE);
      long offset = PoolMemory.superblockOffset(drive) + (long) slot * Drive.BLOCK_BYTES;
      boolean valid =
          candidate.load(memory, offset, checksums)
              && candidate.arrayId == arrayId
              && candidate.poolIndex == poolIndex
              && candidate.driveIndex == drive
              && candidate.layout.driveCount() == drives.count()
              && candidate.layout.blocks() <= drives.drive(drive).blockCount();
      if (valid && (newest == null || candidate.isNewerThan(newest))) {
        newest = candidate;
        slots[drive] = slot;
      }
    }
    return newest;
  }

  private void finish(State known) {
    Layout layout = known.root.layout;
    SpaceMap space = layout.newSpace();
    VolumeTable volumes = known.tail.volumes();
    boolean clones = false;
    for (Volume volume : volumes.all()) {
      volume.markUsed(space);
      clones |= volume.origin != 0;
    }
    if (!clones && space.references() != space.liveBlocks()) {
      throw new IllegalStateException("blocks are mapped twice");
    }
    JournalPosition position = known.tail.position();
    known.root.recoverySequence = position.nextSequence();
    long stable = known.tail.stableSequence();
    outcome =
        new Outcome(
            PoolStatus.OK, new Recovered(known.root, slots, volumes, space, position, stable));
    if (space instanceof StripeMap map) {
      int[] torn = known.tail.stripes();
      phase = Phase.STRIPES;
      stripes = new TailStripes(drives, memory, checksums, known.root, volumes, map, torn);
    } else {
      end();
    }
  }
}
