package io.twinspan.pool;

import org.jspecify.annotations.Nullable;

/**
 * A request under way in an {@link OpenPool}. Preallocated for data requests; control operations
 * make their own.
 */
final class Operation implements DriveIo.Listener, Flusher.Waiter, StripeRecovery.Client {
  /** What is to be done. */
  enum Kind {
    READ,
    /** A run of blocks is gone over by the {@link Sweeper}. */
    SWEEP,
    WRITE,
    ZERO,
    FLUSH,
    CREATE,
    RESIZE,
    DELETE,
    /** Makes a volume that shares all that {@link Operation#volume} holds. */
    CLONE,
    /** Gives back a part of what a deleted volume holds. */
    RECLAIM,
    /** Cells are moved by the {@link Cleaner}. */
    MOVE,
    /** Takes a drive out; {@link Operation#volume} is its index. */
    FAIL_DRIVE,
    /** Takes a drive in again; {@link Operation#volume} is its index. */
    REPLACE_DRIVE,
    START_SCRUB,
    STOP_SCRUB
  }

  /** Where the drives' answers go to. */
  interface Path {
    /** A drive request of this operation has ended. */
    void ioDone(Operation operation, DriveIo io, int status);

    /** Nothing is in the way of this operation any more. Only SWEEPs are told. */
    default void started(Operation operation, Volume volume) {}

    /** A block that was made again from a stripe is there, or could not be. Only READs are told. */
    default void recovered(Operation operation, int index, boolean right) {}
  }

  private final OpenPool pool;
  Kind kind = Kind.READ;
  @Nullable PoolRequest request;

  /** MOVE: what is moved. */
  @Nullable Move move;

  @Nullable PoolCompletion completion;

  /** Order of submission. */
  long order;

  /** Operations submitted before that overlap and have not ended. */
  int blockers;

  boolean finished;
  PoolStatus status = PoolStatus.OK;
  int volume;
  long block;
  long blockCount;
  String name = "";

  /** CLONE: id of the new volume. DELETE, RECLAIM: whether the volume is gone with it. */
  int newVolume;

  boolean last;

  /** CLONE: whether nobody may write to it. */
  boolean readOnly;

  /** Size of a volume to be made or resized, in blocks. */
  long sizeBlocks;

  /** Blocks that {@link Pool#reserve} set aside for this write and that are not allocated yet. */
  int reservedBlocks;

  /** Blocks of this write that may come on top of what the pool holds. */
  int promisedBlocks;

  @Nullable Path path;
  int pendingIos;

  /** Runs of blocks that lie next to each other on the drives. */
  int runCount;

  final int[] runIndex = new int[Pool.MAX_IO_BLOCKS];
  final int[] runPhysical = new int[Pool.MAX_IO_BLOCKS];
  final int[] runLength = new int[Pool.MAX_IO_BLOCKS];

  /** Reads: the copy chosen. Writes: copies written. */
  final int[] runCopy = new int[Pool.MAX_IO_BLOCKS];

  /** Reads: {@link Reader}'s phase, and blocks as bits. */
  int phase;

  int badBlocks;
  int recoveredBlocks;

  Operation(OpenPool pool) {
    this.pool = pool;
  }

  void begin(Kind newKind, int newVolume, long firstBlock, long count) {
    kind = newKind;
    volume = newVolume;
    block = firstBlock;
    blockCount = count;
    blockers = 0;
    finished = false;
    status = PoolStatus.OK;
    reservedBlocks = 0;
    promisedBlocks = 0;
    pendingIos = 0;
    runCount = 0;
  }

  void addRun(int index, int physical, int length, int copy) {
    runIndex[runCount] = index;
    runPhysical[runCount] = physical;
    runLength[runCount] = length;
    runCopy[runCount++] = copy;
  }

  /** Gives back the space of all its runs, which nothing was mapped to. */
  void releaseRuns(SpaceMap space) {
    for (int run = 0; run < runCount; run++) {
      space.release(runPhysical[run], runLength[run]);
    }
    runCount = 0;
  }

  PoolRequest request() {
    PoolRequest present = request;
    if (present == null) {
      throw new IllegalStateException("not a data request: " + kind);
    }
    return present;
  }

  Move move() {
    Move present = move;
    if (present == null) {
      throw new IllegalStateException("not a move: " + kind);
    }
    return present;
  }

  boolean isControl() {
    return switch (kind) {
      case READ, SWEEP, WRITE, ZERO, RECLAIM, MOVE, FLUSH -> false;
      case CREATE, RESIZE, DELETE, CLONE, FAIL_DRIVE, REPLACE_DRIVE, START_SCRUB, STOP_SCRUB ->
          true;
    };
  }

  private boolean touchesBlocks() {
    return switch (kind) {
      case READ, SWEEP, WRITE, ZERO, RESIZE, DELETE, RECLAIM -> true;
      // A clone waits for the writes that were granted, so it must not be in their way. A move
      // changes nothing that anybody can see.
      case MOVE, FLUSH, CREATE, CLONE, FAIL_DRIVE, REPLACE_DRIVE, START_SCRUB, STOP_SCRUB -> false;
    };
  }

  private boolean changesBlocks() {
    return kind != Kind.READ && kind != Kind.SWEEP;
  }

  /** Whether the two have to be carried out in order. */
  boolean conflictsWith(Operation other) {
    return volume == other.volume
        && touchesBlocks()
        && other.touchesBlocks()
        && (changesBlocks() || other.changesBlocks())
        && block < other.block + other.blockCount
        && other.block < block + blockCount;
  }

  @Override
  public void ioDone(DriveIo io, int ioStatus) {
    pendingIos--;
    Path to = path;
    if (to != null) {
      to.ioDone(this, io, ioStatus);
    }
  }

  /** Nothing is in its way any more. */
  void started(Volume of) {
    Path to = path;
    if (to != null) {
      to.started(this, of);
    }
  }

  @Override
  public void recovered(int tag, boolean right) {
    pendingIos--;
    Path to = path;
    if (to != null) {
      to.recovered(this, tag, right);
    }
  }

  @Override
  public void flushed() {
    pool.finish(this, PoolStatus.OK);
  }
}
