package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An open pool: its state in memory, and the requests under way. Lives from the end of a recovery
 * until the pool is closed or abandoned. Requests are started in order where they overlap, and
 * answered from {@link #work} only.
 */
final class OpenPool implements DriveSet.Watcher {
  private static final Logger LOG = LoggerFactory.getLogger(OpenPool.class);

  final DriveSet drives;
  final MemorySegment memory;
  final PoolOptions options;
  final Checksums checksums;
  final Layout layout;
  final Superblock root;
  final VolumeTable volumes;
  final SpaceMap space;
  final DataPath path;
  final Flusher flusher;
  final RootWriter rootWriter;
  final Journal journal;
  final Checkpoint checkpoint;
  final Sweeper sweeper;
  final DriveChanges driveChanges;
  final Reclaimer reclaimer;
  final Reservations reservations;
  private final Reader reader;

  private final ArrayDeque<Operation> idle = new ArrayDeque<>();
  private final List<Operation> active = new ArrayList<>();
  private final ArrayDeque<Operation> controls = new ArrayDeque<>();
  private final ArrayDeque<Operation> finished = new ArrayDeque<>();

  /** Ended well, but not to be told before a drive's failure is on record. */
  private final ArrayDeque<Operation> held = new ArrayDeque<>();

  private boolean controlRunning;
  private long orders;
  private int waiting;

  /** A CLONE that waits for the writes that were granted before it. */
  private @Nullable Operation cloning;

  private boolean closing;

  /** Whether there may be deleted volumes that still hold something. */
  private boolean mayHaveDying = true;

  private long writtenBlocks;
  private long epoch;
  private @Nullable PoolStatus halted;

  OpenPool(
      DriveSet drives,
      MemorySegment memory,
      PoolOptions options,
      Checksums checksums,
      Recovered recovered) {
    this.drives = drives;
    this.memory = memory;
    this.options = options;
    this.checksums = checksums;
    this.root = recovered.root();
    this.layout = root.layout;
    this.volumes = recovered.volumes();
    this.space = recovered.space();
    this.path = space instanceof StripeMap map ? new ParityPath(this, map) : new MirrorPath(this);
    this.flusher = new Flusher(this, recovered.stableSequence());
    this.rootWriter = new RootWriter(this, recovered.slots());
    this.journal = new Journal(this, recovered.journal());
    this.checkpoint = new Checkpoint(this);
    this.sweeper = new Sweeper(this);
    this.driveChanges = new DriveChanges(this);
    this.reclaimer = new Reclaimer(this);
    this.reservations = new Reservations(this);
    this.reader = new Reader(this);
    for (int i = 0; i < options.operations(); i++) {
      idle.add(new Operation(this));
    }
    root.rebuildingDrives &= ~drives.failedBits();
    if (drives.failedBits() != 0) {
      path.drivesChanged();
    }
    if (recovered.journal().half() != root.journalHalf) {
      checkpoint.start(); // a checkpoint was under way: both halves are needed until it is there
    }
  }

  /** Epoch on the drives. */
  long epoch() {
    return epoch;
  }

  /** Persists an epoch and which log is unsettled; {@code done} is told from {@link #work}. */
  void persistEpoch(long newEpoch, long unsettledEpoch, PoolCompletion done) {
    root.epoch = newEpoch;
    root.unsettledEpoch = unsettledEpoch;
    Operation operation = new Operation(this);
    operation.begin(Operation.Kind.FLUSH, 0, 0, 0);
    operation.completion = done;
    active.add(operation);
    rootWriter.changed(majority -> {
      epoch = majority ? newEpoch : epoch;
      finish(operation, majority ? PoolStatus.OK : PoolStatus.NO_QUORUM);
    });
  }

  // ---- requests ----

  boolean submit(PoolRequest request) {
    int count = request.blockCount;
    boolean writes = request.operation == PoolOperation.WRITE;
    if (writes && !reservations.covers(count)) {
      throw new IllegalStateException("WRITE of " + count + " blocks without a reservation");
    }
    Operation operation = idle.poll();
    if (operation == null) {
      return false;
    }
    operation.begin(kind(request.operation), request.volume, request.block, count);
    operation.request = request;
    operation.completion = null;
    if (writes && count > 0) {
      reservations.claim(operation, count);
    }
    boolean transfers = writes || operation.kind == Operation.Kind.READ;
    boolean sane =
        operation.kind == Operation.Kind.FLUSH
            || (count >= 1 && request.block >= 0 && (!transfers || count <= Pool.MAX_IO_BLOCKS));
    if (sane) {
      add(operation);
    } else {
      active.add(operation);
      finish(operation, PoolStatus.INVALID);
    }
    return true;
  }

  private static Operation.Kind kind(PoolOperation operation) {
    return switch (operation) {
      case READ -> Operation.Kind.READ;
      case WRITE -> Operation.Kind.WRITE;
      case ZERO -> Operation.Kind.ZERO;
      case FLUSH -> Operation.Kind.FLUSH;
    };
  }

  /** Control operations are carried out one after the other. */
  void submitControl(
      Operation.Kind kind, int volume, String name, long sizeBytes, PoolCompletion done) {
    Operation operation = new Operation(this);
    operation.begin(kind, volume, 0, Long.MAX_VALUE);
    operation.completion = done;
    operation.name = name;
    operation.sizeBlocks =
        sizeBytes > 0 && sizeBytes % Drive.BLOCK_BYTES == 0 ? sizeBytes / Drive.BLOCK_BYTES : -1;
    controls.add(operation);
  }

  /** Makes a clone, in its turn among control operations. */
  void submitClone(int source, String name, boolean readOnly, PoolCompletion done) {
    submitControl(Operation.Kind.CLONE, source, name, Drive.BLOCK_BYTES, done);
    controls.getLast().readOnly = readOnly;
  }

  void add(Operation operation) {
    operation.order = ++orders;
    for (int i = 0; i < active.size(); i++) {
      operation.blockers += active.get(i).conflictsWith(operation) ? 1 : 0;
    }
    active.add(operation);
    if (operation.blockers == 0) {
      start(operation);
    } else {
      waiting++;
    }
  }

  private void start(Operation operation) {
    boolean reads = operation.kind == Operation.Kind.READ;
    if (halted != null && !(reads && halted == PoolStatus.NO_QUORUM)) {
      finish(operation, halted);
      return;
    }
    switch (operation.kind) {
      case FLUSH -> startFlush(operation);
      case CREATE -> startCreate(operation);
      case MOVE -> path.write(operation);
      case FAIL_DRIVE -> driveChanges.fail(operation);
      case REPLACE_DRIVE -> driveChanges.replace(operation);
      case START_SCRUB -> sweeper.startScrub(operation);
      case STOP_SCRUB -> sweeper.stopScrub(operation);
      default -> startInVolume(operation);
    }
  }

  private void startInVolume(Operation operation) {
    boolean reclaims = operation.kind == Operation.Kind.RECLAIM;
    boolean any = reclaims || operation.kind == Operation.Kind.SWEEP;
    Volume volume = any ? volumes.find(operation.volume) : volumes.findLive(operation.volume);
    boolean writes =
        operation.kind == Operation.Kind.WRITE || operation.kind == Operation.Kind.ZERO;
    if (volume == null || !fits(operation, volume) || (writes && volume.isReadOnly())) {
      finish(operation, PoolStatus.INVALID);
      return;
    }
    switch (operation.kind) {
      case READ -> reader.start(operation, volume);
      case SWEEP -> operation.started(volume);
      case CLONE -> cloning = operation; // begins when no granted write is left
      case DELETE -> {
        operation.last = reclaimer.isSmall(volume);
        journal.add(operation);
      }
      case WRITE -> path.write(operation);
      default -> journal.add(operation);
    }
  }

  private static boolean fits(Operation operation, Volume volume) {
    return switch (operation.kind) {
      case RESIZE -> operation.sizeBlocks > 0 && operation.sizeBlocks <= Volume.MAX_BLOCKS;
      case DELETE, CLONE -> true;
      default -> operation.block <= volume.sizeBlocks() - operation.blockCount;
    };
  }

  private void startFlush(Operation operation) {
    if (flusher.stableSequence() == journal.completedSequence()) {
      finish(operation, PoolStatus.OK);
    } else {
      flusher.request(operation);
    }
  }

  private void startCreate(Operation operation) {
    boolean fits = operation.sizeBlocks > 0 && operation.sizeBlocks <= Volume.MAX_BLOCKS;
    if (fits && mayBeMade(operation.name)) {
      operation.volume = volumes.idOf(volumes.nextNumber());
      journal.add(operation);
    } else {
      finish(operation, PoolStatus.INVALID);
    }
  }

  private boolean mayBeMade(String name) {
    return isName(name)
        && volumes.count() < root.maxVolumes
        && volumes.nextNumber() <= VolumeTable.MAX_NUMBER
        && !volumes.hasName(name);
  }

  private int startClone() {
    Operation operation = cloning;
    if (operation == null || operation.newVolume != 0 || !(reservations.isEmpty() || closing)) {
      return 0;
    }
    Volume source = volumes.findLive(operation.volume);
    reservations.countShared();
    if (source != null && mayBeMade(operation.name) && !closing) {
      if (reservations.hasRoomForClone(source)) {
        operation.newVolume = volumes.idOf(volumes.nextNumber());
        journal.addAlone(operation); // nothing is granted before the clone is there
        return 1;
      }
      finish(operation, PoolStatus.NO_SPACE);
    } else {
      finish(operation, closing ? PoolStatus.CLOSED : PoolStatus.INVALID);
    }
    cloning = null;
    return 1;
  }

  /** Finishes what was accepted and begins nothing more by itself. */
  void beginClose() {
    closing = true;
    sweeper.pause();
    reclaimer.pause();
    path.pause();
  }

  /** Whether deleted volumes may still hold something. */
  boolean mayHaveDying() {
    return mayHaveDying;
  }

  /** They don't. */
  void noneDying() {
    mayHaveDying = false;
  }

  private static boolean isName(String name) {
    boolean valid = !name.isEmpty() && name.length() <= Records.MAX_NAME;
    for (int i = 0; i < name.length(); i++) {
      char c = name.charAt(i);
      valid &= c < 128 && (Character.isLetterOrDigit(c) || c == '.' || c == '_' || c == '-');
    }
    return valid;
  }

  /** The operation's change is on the drives and in the map. */
  void journaled(Operation operation) {
    mayHaveDying |= operation.kind == Operation.Kind.DELETE;
    writtenBlocks += operation.kind == Operation.Kind.WRITE ? operation.blockCount : 0;
    if (operation.kind == Operation.Kind.MOVE) {
      path.journaled(operation);
    }
    if (operation == cloning) {
      cloning = null;
      reservations.countShared();
    }
    if (operation.isControl()) {
      flusher.request(operation);
    } else {
      finish(operation, PoolStatus.OK);
    }
  }

  /** An operation has ended, or is given up; whoever asked is told from {@link #work}. */
  void finish(Operation operation, PoolStatus status) {
    if (!operation.finished) {
      operation.finished = true;
      operation.status = status;
      boolean promises = status == PoolStatus.OK && operation.kind != Operation.Kind.READ;
      (promises ? held : finished).add(operation);
    }
  }

  private void deliver(Operation operation) {
    active.remove(operation);
    reservations.settle(operation);
    if (waiting > 0) {
      unblock(operation);
    }
    PoolStatus status = operation.status;
    PoolRequest request = operation.request;
    PoolCompletion completion = operation.completion;
    controlRunning &= !operation.isControl();
    operation.request = null;
    operation.completion = null;
    if (request != null) {
      if (halted == null || halted == PoolStatus.NO_QUORUM) {
        idle.add(operation);
      }
      request.completed(status);
    } else if (completion != null) {
      completion.completed(status);
    }
  }

  private void unblock(Operation ended) {
    for (int i = 0; i < active.size(); i++) {
      Operation other = active.get(i);
      if (other.blockers > 0 && other.order > ended.order && other.conflictsWith(ended)) {
        if (--other.blockers == 0) {
          waiting--;
          start(other);
        }
      }
    }
  }

  // ---- space ----

  Pool.Grant reserve(int volumeId, long block, int count) {
    Volume volume = volumes.findLive(volumeId);
    if (volume == null
        || count < 1
        || count > Pool.MAX_RESERVED_BLOCKS
        || block < 0
        || block > volume.sizeBlocks() - count) {
      throw new IllegalArgumentException(
          "blocks " + block + " + " + count + " of volume " + volumeId);
    }
    return cloning == null ? reservations.reserve(volume, block, count) : Pool.Grant.WAIT;
  }

  PoolHealth.Traffic traffic() {
    return new PoolHealth.Traffic(writtenBlocks, path.movedBlocks(), drives.writtenBlocks());
  }

  long capacityBlocks() {
    return layout.physicalBlocks() - (long) root.slackBlocks;
  }

  // ---- trouble ----

  boolean isHalted() {
    return halted != null;
  }

  @Nullable PoolStatus halted() {
    return halted;
  }

  /** Ends an operation whose drive requests are all back, when the pool goes on no more. */
  boolean endIfHalted(Operation operation) {
    PoolStatus reason = halted;
    if (reason != null) {
      finish(operation, reason);
    }
    return reason != null;
  }

  /** As {@link #endIfHalted}, for reads: those go on without a quorum. */
  boolean endIfFenced(Operation operation) {
    return halted != PoolStatus.NO_QUORUM && endIfHalted(operation);
  }

  @Override
  public void driveFailed(int drive, int status) {
    String why = status == Drive.GONE ? "gone" : "status " + Integer.toHexString(status);
    LOG.warn(
        "pool {}: {} failed ({}), going on without it",
        root.poolIndex,
        drives.drive(drive).name(),
        status == Drive.OK ? "taken out" : why);
    root.rebuildingDrives &= ~(1 << drive);
    driveChanges.driveFailed(drive);
    path.drivesChanged();
    rootWriter.changed();
    if (!rootWriter.ownerHasQuorum() || path.isBroken()) {
      halt(PoolStatus.NO_QUORUM);
    }
  }

  /** Whether a drive may lack data that it should hold. */
  boolean isRebuilding(int drive) {
    return (root.rebuildingDrives & 1 << drive) != 0 || driveChanges.isJoining(drive);
  }

  /** Whether a request that was submitted before one is still under way. */
  boolean hasActiveBefore(long order) {
    for (int i = 0; i < active.size(); i++) {
      if (active.get(i).order < order) {
        return true;
      }
    }
    return false;
  }

  /** Order of the request that was submitted last. */
  long lastOrder() {
    return orders;
  }

  /** Whether a read that was submitted up to that one may be under way. */
  boolean isReadingSince(long order) {
    for (int i = 0; i < active.size(); i++) {
      Operation operation = active.get(i);
      boolean reads = operation.kind == Operation.Kind.READ && operation.blockers == 0;
      if (reads && operation.order <= order) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void fenced() {
    halt(PoolStatus.FENCED);
  }

  /**
   * Changes nothing on the drives any more; what is under way ends with the status as soon as no
   * drive works on it.
   */
  void halt(PoolStatus reason) {
    if (halted == null || halted == PoolStatus.NO_QUORUM) {
      halted = reason;
      journal.clear();
      flusher.clear();
    }
  }

  private int sweep(PoolStatus reason) {
    int work = 0;
    cloning = null; // among the active ones, too
    for (int i = 0; i < active.size(); i++) {
      Operation operation = active.get(i);
      boolean goesOn = reason == PoolStatus.NO_QUORUM && operation.kind == Operation.Kind.READ;
      if (!operation.finished && operation.pendingIos == 0 && !goesOn) {
        finish(operation, reason);
        work++;
      }
    }
    for (Operation control : controls) {
      active.add(control);
      finish(control, reason);
    }
    controls.clear();
    return work;
  }

  // ---- duty cycle ----

  /** Whether nothing that was accepted is still to be answered. */
  boolean isQuiet() {
    return active.isEmpty() && controls.isEmpty();
  }

  int work() {
    int work = 0;
    PoolStatus reason = halted;
    if (reason != null) {
      work += sweep(reason);
    } else {
      if (!controlRunning && !controls.isEmpty()) {
        controlRunning = true;
        add(controls.remove());
        work++;
      }
      work += startClone() + reclaimer.work() + path.work();
      work += sweeper.work() + driveChanges.work();
      work += journal.work() + checkpoint.work() + flusher.work() + rootWriter.work();
    }
    return work + deliverFinished();
  }

  private int deliverFinished() {
    int work = 0;
    boolean releases = rootWriter.hasRecordOfFailures() || halted != null;
    for (int i = releases ? held.size() : 0; i > 0; i--) {
      Operation operation = held.remove();
      PoolStatus reason = halted;
      operation.status = reason == null ? operation.status : reason;
      deliver(operation);
      work++;
    }
    for (int i = finished.size(); i > 0; i--) {
      deliver(finished.remove());
      work++;
    }
    return work;
  }
}
