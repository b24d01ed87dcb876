package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Pool} that keeps two copies of every block, or two parities of every stripe ({@link
 * DataPath}): copy-on-write data, a journal of map changes, checkpoints, superblocks.
 *
 * <p>How a write goes: fresh blocks are allocated; the data goes to the drives; when it is there,
 * the change of the map goes, with those of other writes that are ready, as one batch to the
 * journal on all drives; then the map in memory changes and the write is acknowledged. {@link
 * Layout}, {@link Journal}, {@link Checkpoint} and {@link Recovery} say what lies where and why a
 * crash at any point is harmless.
 *
 * <p>Members and quorum: the superblock names the drives that have failed. Opening needs more than
 * half of the members. An owner goes on with half of them, since no other can open without fencing
 * one of those. A drive that has failed stays out until {@link #replaceDrive}.
 *
 * <p>Call {@link #doWork} after submitting and after drive completions, before going to sleep: all
 * answers come from there.
 *
 * <p>Limits: 2 to 16 drives; volumes and pool up to 8 TiB. Memory: 8 KiB per 4 MiB of volume that
 * holds anything (2 GiB per TiB written densely), 1 bit per block of the pool, with parities 4
 * bytes more per block that was ever written.
 */
public final class DrivePool implements Pool {
  /** Size of the memory that the constructor takes, in bytes. */
  public static final int MEMORY_BYTES = PoolMemory.BYTES;

  private final int poolIndex;
  private final DriveSet drives;
  private final MemorySegment memory;
  private final PoolOptions options;
  private final Checksums checksums = new Checksums();
  private final List<OpenPool> abandoned = new ArrayList<>();
  private final ArrayDeque<Rejected> rejected = new ArrayDeque<>();
  private State state = State.CLOSED;
  private long epoch;
  private @Nullable OpenPool pool;

  /** Waits for the drives to be done with what an earlier owner of the memory asked of them. */
  private @Nullable Runnable starting;

  /** Whom to tell of the end of the format, open or close that is under way. */
  private @Nullable PoolCompletion changing;

  private @Nullable Recovery recovery;
  private @Nullable Formatter formatter;
  private boolean closeFlushed;

  /** Answered without having been carried out. */
  private record Rejected(
      @Nullable PoolRequest request, @Nullable PoolCompletion completion, PoolStatus status) {}

  /** Watches the drives while there is no pool yet. */
  private final class Prelude implements DriveSet.Watcher {
    @Override
    public void driveFailed(int drive, int status) {}

    @Override
    public void fenced() {
      if (recovery != null) {
        recovery = null;
        state = State.FENCED;
        changed(PoolStatus.FENCED);
      }
    }
  }

  /**
   * Creates a closed pool.
   *
   * @param poolIndex index of the pool in its array, 0 to 255
   * @param drives the drives, always in the same order
   * @param memory {@link #MEMORY_BYTES} bytes, aligned to 4096, that the drives reach; the pool's
   *     own while it exists
   * @param options sizes
   */
  public DrivePool(
      int poolIndex, List<? extends Drive> drives, MemorySegment memory, PoolOptions options) {
    if (poolIndex < 0 || poolIndex > 255) {
      throw new IllegalArgumentException("pool index " + poolIndex);
    }
    PoolMemory.check(memory);
    this.poolIndex = poolIndex;
    this.drives = new DriveSet(List.copyOf(drives));
    this.memory = memory;
    this.options = options;
  }

  @Override
  public State state() {
    OpenPool current = pool;
    boolean fenced = current != null && current.halted() == PoolStatus.FENCED;
    return fenced ? State.FENCED : state;
  }

  @Override
  public long epoch() {
    return epoch;
  }

  // ---- format, open, close ----

  @Override
  public void format(long arrayId, PoolCompletion completion) {
    requireState(State.CLOSED);
    long blocks = Long.MAX_VALUE;
    for (int i = 0; i < drives.count(); i++) {
      blocks = Math.min(blocks, drives.drive(i).blockCount());
    }
    Superblock root = new Superblock(Layout.fit(drives.count(), blocks, options));
    root.arrayId = arrayId;
    root.poolIndex = poolIndex;
    root.pool = arrayId * 0x9e3779b97f4a7c15L + poolIndex;
    root.generation = 1;
    root.maxVolumes = options.maxVolumes();
    root.slackBlocks = slackBlocks(root.layout);
    begin(completion, () -> formatter = new Formatter(drives, memory, checksums, root));
  }

  private int slackBlocks(Layout layout) {
    int physicalBlocks = layout.physicalBlocks();
    int share = layout.hasParity() ? 8 : 50;
    int slack = Math.max(physicalBlocks / share, (16 << 20) / Drive.BLOCK_BYTES);
    int wanted = options.slackBlocks() > 0 ? options.slackBlocks() : slack;
    wanted = layout.hasParity() ? Math.max(wanted, Cleaner.leastSlackBlocks(layout)) : wanted;
    if (wanted >= physicalBlocks) {
      throw new IllegalArgumentException(
          "drives hold " + physicalBlocks + " blocks of data, less than the slack of " + wanted);
    }
    return wanted;
  }

  @Override
  public void open(
      long arrayId, long minimumEpoch, boolean drivesStayedPowered, PoolCompletion completion) {
    requireState(State.CLOSED);
    begin(
        completion,
        () ->
            recovery =
                new Recovery(
                    drives,
                    memory,
                    checksums,
                    arrayId,
                    poolIndex,
                    drivesStayedPowered,
                    found -> recovered(found, minimumEpoch)));
    state = State.OPENING;
  }

  private void begin(PoolCompletion completion, Runnable start) {
    if (changing != null) {
      throw new IllegalStateException("the pool is being formatted");
    }
    changing = completion;
    starting = start;
  }

  private void requireState(State wanted) {
    if (state() != wanted) {
      throw new IllegalStateException("pool is " + state() + ", not " + wanted);
    }
  }

  private void recovered(Recovery.Outcome outcome, long minimumEpoch) {
    recovery = null;
    Recovered found = outcome.found();
    if (found == null) {
      state = State.CLOSED;
      changed(outcome.status());
      return;
    }
    long newEpoch = Math.max(found.root().epoch + 1, minimumEpoch);
    found.root().recoveryEpoch = newEpoch;
    OpenPool opened = new OpenPool(drives, memory, options, checksums, found);
    pool = opened;
    drives.watchedBy(opened);
    opened.persistEpoch(
        newEpoch, opened.root.unsettledEpoch, status -> epochPersisted(opened, status));
  }

  private void epochPersisted(OpenPool opened, PoolStatus status) {
    if (pool != opened) {
      return; // abandoned meanwhile, and said so
    }
    if (status == PoolStatus.OK) {
      epoch = opened.epoch();
      state = State.OPEN;
    } else {
      state = status == PoolStatus.FENCED ? State.FENCED : State.CLOSED;
      drop(opened);
    }
    changed(status);
  }

  /** Tells the end of a format, open or close. */
  private void changed(PoolStatus status) {
    PoolCompletion completion = changing;
    changing = null;
    starting = null;
    if (completion != null) {
      rejected.add(new Rejected(null, completion, status));
    }
  }

  @Override
  public long unsettledEpoch() {
    OpenPool current = pool;
    return current == null ? 0 : current.root.unsettledEpoch;
  }

  @Override
  public void nameLog(PoolCompletion completion) {
    advanceEpoch(true, completion);
  }

  @Override
  public void settle(PoolCompletion completion) {
    advanceEpoch(false, completion);
  }

  private void advanceEpoch(boolean unsettled, PoolCompletion completion) {
    OpenPool current = pool;
    if (current == null || state() != State.OPEN) {
      rejected.add(new Rejected(null, completion, notOpen()));
      return;
    }
    long next = current.root.epoch + 1;
    current.persistEpoch(
        next,
        unsettled ? next : 0,
        status -> {
          epoch = pool == current ? current.epoch() : epoch;
          completion.completed(status);
        });
  }

  @Override
  public void close(PoolCompletion completion) {
    requireState(State.OPEN);
    state = State.CLOSING;
    closeFlushed = false;
    if (pool != null) {
      pool.beginClose();
    }
    begin(completion, () -> {});
  }

  private int workOnClose(OpenPool current) {
    PoolStatus halted = current.halted();
    if (halted != null && (closeFlushed || current.isQuiet())) {
      state = halted == PoolStatus.FENCED ? State.FENCED : State.CLOSED;
      drop(current);
      changed(halted);
      return 1;
    }
    if (closeFlushed && drives.outstanding() == 0) {
      state = State.CLOSED;
      epoch = 0;
      drop(current);
      changed(PoolStatus.OK);
      return 1;
    }
    if (halted == null && current.isQuiet() && starting != null) {
      starting = null;
      if (current.root.unsettledEpoch == 0) {
        current.flusher.request(() -> closeFlushed = true);
      } else {
        settleAndClose(current);
      }
      return 1;
    }
    return 0;
  }

  /** Persists that there is no unsettled log; that flushes everything before it as well. */
  private void settleAndClose(OpenPool current) {
    current.root.unsettledEpoch = 0;
    current.root.epoch++;
    current.rootWriter.changed(majority -> {
      if (majority) {
        closeFlushed = true;
      } else {
        settleAndClose(current); // a drive has failed meanwhile: the next round counts without it
      }
    });
  }

  @Override
  public void abandon() {
    OpenPool current = pool;
    if (current != null) {
      drop(current);
    }
    recovery = null;
    formatter = null;
    state = State.CLOSED;
    epoch = 0;
    changed(PoolStatus.CLOSED);
  }

  private void drop(OpenPool dropped) {
    dropped.halt(PoolStatus.CLOSED);
    abandoned.add(dropped);
    drives.watchedBy(new Prelude());
    pool = null;
  }

  // ---- requests ----

  private PoolStatus notOpen() {
    return state() == State.FENCED ? PoolStatus.FENCED : PoolStatus.CLOSED;
  }

  @Override
  public boolean submit(PoolRequest request) {
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      return current.submit(request);
    }
    if (rejected.size() >= options.operations()) {
      return false;
    }
    rejected.add(new Rejected(request, null, notOpen()));
    return true;
  }

  private void control(
      Operation.Kind kind, int volume, String name, long sizeBytes, PoolCompletion completion) {
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      current.submitControl(kind, volume, name, sizeBytes, completion);
    } else {
      rejected.add(new Rejected(null, completion, notOpen()));
    }
  }

  @Override
  public void createVolume(String name, long sizeBytes, PoolCompletion completion) {
    control(Operation.Kind.CREATE, 0, name, sizeBytes, completion);
  }

  @Override
  public void resizeVolume(int volume, long sizeBytes, PoolCompletion completion) {
    control(Operation.Kind.RESIZE, volume, "", sizeBytes, completion);
  }

  @Override
  public void deleteVolume(int volume, PoolCompletion completion) {
    control(Operation.Kind.DELETE, volume, "", 0, completion);
  }

  @Override
  public void cloneVolume(int source, String name, boolean readOnly, PoolCompletion completion) {
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      current.submitClone(source, name, readOnly, completion);
    } else {
      rejected.add(new Rejected(null, completion, notOpen()));
    }
  }

  @Override
  public boolean isReadOnly(int volume) {
    OpenPool current = pool;
    Volume found = current == null ? null : current.volumes.findLive(volume);
    return found != null && found.isReadOnly();
  }

  @Override
  public void startScrub(PoolCompletion completion) {
    control(Operation.Kind.START_SCRUB, 0, "", 0, completion);
  }

  @Override
  public void stopScrub(PoolCompletion completion) {
    control(Operation.Kind.STOP_SCRUB, 0, "", 0, completion);
  }

  @Override
  public void failDrive(int index, PoolCompletion completion) {
    control(Operation.Kind.FAIL_DRIVE, index, "", 0, completion);
  }

  @Override
  public void replaceDrive(int index, PoolCompletion completion) {
    control(Operation.Kind.REPLACE_DRIVE, index, "", 0, completion);
  }

  @Override
  public void wantCheckpoint() {
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      current.journal.wantCheckpoint();
    }
  }

  @Override
  public long checkpoints() {
    OpenPool current = pool;
    return current == null ? 0 : current.checkpoint.completedCount();
  }

  @Override
  public boolean wantsBackgroundReads() {
    OpenPool current = pool;
    return current != null && state() == State.OPEN && current.sweeper.wantsToRead();
  }

  @Override
  public void allowBackgroundReads(int blocks) {
    OpenPool current = pool;
    if (current != null) {
      current.sweeper.allow(blocks);
    }
  }

  @Override
  public PoolHealth health() {
    OpenPool current = pool;
    return current == null || state() != State.OPEN ? PoolHealth.UNKNOWN : current.sweeper.health();
  }

  @Override
  public Grant reserve(int volume, long block, int blockCount) {
    OpenPool current = pool;
    return current == null || state() != State.OPEN
        ? Grant.WAIT
        : current.reserve(volume, block, blockCount);
  }

  @Override
  public void unreserve(int volume, long block, int blockCount) {
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      current.reservations.unreserve(blockCount);
    }
  }

  // ---- what is there ----

  @Override
  public List<VolumeInfo> volumes() {
    List<VolumeInfo> infos = new ArrayList<>();
    OpenPool current = pool;
    if (current != null && state() == State.OPEN) {
      for (Volume volume : current.volumes.all()) {
        if (!volume.isDying()) {
          infos.add(describe(current, volume));
        }
      }
    }
    return infos;
  }

  private static VolumeInfo describe(OpenPool pool, Volume volume) {
    return new VolumeInfo(
        volume.id,
        volume.name,
        volume.sizeBlocks() * Drive.BLOCK_BYTES,
        volume.mappedBlocks() * Drive.BLOCK_BYTES,
        volume.origin == 0 ? 0 : pool.volumes.idOf(volume.origin),
        volume.isReadOnly());
  }

  @Override
  public long volumeBlocks(int volume) {
    OpenPool current = pool;
    Volume found = current == null ? null : current.volumes.findLive(volume);
    return found == null ? -1 : found.sizeBlocks();
  }

  @Override
  public long capacityBlocks() {
    OpenPool current = pool;
    return current == null ? 0 : current.capacityBlocks();
  }

  @Override
  public long usedBlocks() {
    OpenPool current = pool;
    return current == null ? 0 : current.space.liveBlocks();
  }

  @Override
  public long checksumErrors() {
    OpenPool current = pool;
    return current == null ? 0 : current.root.checksumErrors;
  }

  @Override
  public boolean driveFailed(int index) {
    return pool == null ? !drives.drive(index).isPresent() : !drives.isLive(index);
  }

  // ---- duty cycle ----

  @Override
  public int doWork() {
    int work = drives.work();
    if (starting != null && state != State.CLOSING && drives.outstanding() == 0) {
      Runnable start = starting;
      starting = null;
      drives.reset(new Prelude());
      start.run();
      work++;
    }
    Recovery recovering = recovery;
    work += recovering == null ? 0 : recovering.work();
    work += workOnFormat();
    OpenPool current = pool;
    if (current != null) {
      // Once flushed, a pool that closes starts nothing more: a checkpoint under way is left as it
      // is.
      work += state == State.CLOSING && closeFlushed ? 0 : current.work();
      work += state == State.CLOSING && pool == current ? workOnClose(current) : 0;
    }
    for (int i = 0; i < abandoned.size(); i++) {
      work += abandoned.get(i).work();
    }
    abandoned.removeIf(OpenPool::isQuiet);
    return work + answerRejected();
  }

  private int workOnFormat() {
    Formatter formatting = formatter;
    if (formatting == null) {
      return 0;
    }
    int work = formatting.work();
    if (formatting.isDone()) {
      formatter = null;
      changed(formatting.status());
      work++;
    }
    return work;
  }

  private int answerRejected() {
    int work = rejected.size();
    for (int i = 0; i < work; i++) {
      Rejected one = rejected.remove();
      PoolRequest request = one.request();
      PoolCompletion completion = one.completion();
      if (request != null) {
        request.completed(one.status());
      } else if (completion != null) {
        completion.completed(one.status());
      }
    }
    return work;
  }
}
