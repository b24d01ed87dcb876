package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.Pool;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * How an owner serves requests: in the order of admission where they overlap, writes through the
 * commit log, reads from the log where it is newer than the pool.
 *
 * <p>A request that lacks something (log space, a buffer, the right to serve) stalls and goes on
 * later; none is dropped. Blocks that a write covers in part are read first, under the lock of the
 * range, so that the log holds whole blocks only.
 */
final class OwnerPath {
  /** What the path must know of its pool's state. */
  interface Guard {
    /** Whether requests may be served at this very moment. */
    boolean mayServe();

    /** The request can't be answered now and has changed nothing: it has to begin again. */
    void again(Operation operation);
  }

  private static final int MAX_ZERO_BLOCKS = 1 << 18;
  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int BLOCK_BYTES = Drive.BLOCK_BYTES;

  private final Pool pool;
  private final CommitLog log;
  private final LogMirror mirror;
  private final Destager destager;
  private final OwnerCheck check;
  private final Scratch scratch;
  private final Guard guard;
  private final RangeLocks locks;
  private final BlockReads reads;
  private final FlushQueue flushes;
  private final PoolSpace space;
  private final OperationQueue committed;
  private final OperationQueue stalled = new OperationQueue();

  /** Reads that have gathered everything and wait for {@link OwnerCheck}. */
  private final OperationQueue unchecked = new OperationQueue();

  private final OperationQueue readsDone = new OperationQueue();
  private final OperationQueue flushed = new OperationQueue();
  private int active;
  private boolean released;
  private boolean dropping;
  private long retryAtNs = Long.MIN_VALUE;
  private long nowNs;

  OwnerPath(
      Pool pool,
      List<Drive> drives,
      CommitLog log,
      LogMirror mirror,
      OperationQueue committed,
      Destager destager,
      OwnerCheck check,
      Scratch scratch,
      Guard guard,
      int capacity) {
    this.pool = pool;
    this.log = log;
    this.mirror = mirror;
    this.committed = committed;
    this.destager = destager;
    this.check = check;
    this.scratch = scratch;
    this.guard = guard;
    locks = new RangeLocks(capacity);
    reads = new BlockReads(pool, drives, log, readsDone);
    flushes = new FlushQueue(pool, flushed);
    space = new PoolSpace(pool);
  }

  /** Operations that were admitted and have not ended. */
  int active() {
    return active;
  }

  /** Whether drives may still be writing to requests' memory. */
  boolean isUnderWay() {
    return reads.underWay() > 0 || flushes.isUnderWay();
  }

  boolean isFenced() {
    return reads.isFenced() || flushes.isFenced();
  }

  /** When {@link #pump} is due although nothing has happened. */
  long deadlineNs() {
    boolean waits = !stalled.isEmpty() && retryAtNs > nowNs;
    return Math.min(waits ? retryAtNs : Long.MAX_VALUE, flushes.retryAtNs());
  }

  /** Accepts an operation; it ends at its source, or begins {@link Guard#again}. */
  void admit(Operation operation) {
    active++;
    operation.restart();
    if (operation.kind == HostOperation.FLUSH) {
      operation.barrier = log.head();
      flushes.add(operation);
      return;
    }
    HostStatus refusal = refusal(operation);
    if (refusal != HostStatus.OK || operation.length == 0) {
      end(operation, refusal);
      return;
    }
    operation.firstBlock = operation.offset / BLOCK_BYTES;
    operation.endBlock = (operation.endOffset() + BLOCK_BYTES - 1) / BLOCK_BYTES;
    operation.cursor = operation.firstBlock;
    operation.exclusive = operation.kind != HostOperation.READ;
    if (locks.acquire(operation)) {
      run(operation);
    }
  }

  private HostStatus refusal(Operation operation) {
    long blocks = pool.volumeBlocks(operation.volume);
    if (blocks < 0) {
      return HostStatus.NO_SUCH_VOLUME;
    }
    if (operation.kind != HostOperation.READ && pool.isReadOnly(operation.volume)) {
      return HostStatus.READ_ONLY;
    }
    long bytes = blocks * BLOCK_BYTES;
    boolean transfers = operation.kind != HostOperation.ZERO;
    boolean valid =
        operation.offset >= 0
            && operation.length >= 0
            && operation.length <= bytes
            && operation.offset <= bytes - operation.length
            && (!transfers || operation.length <= HostRequest.MAX_BYTES);
    return valid ? HostStatus.OK : HostStatus.INVALID;
  }

  /** Goes on with whatever can go on. */
  int pump(long time) {
    nowNs = time;
    reads.at(time);
    int work = 0;
    int before;
    do {
      before = work;
      work += endCommitted() + endFlushed() + continueReads() + endChecked();
      work += startGranted();
    } while (work > before);
    if (guard.mayServe()) {
      work += flushes.pump(time, flushableTail());
      if (time >= retryAtNs) {
        work += runStalled();
      }
    }
    return work;
  }

  /**
   * Sequence before which everything is on the drives and no replay will touch it again: otherwise
   * a takeover that dies half-way would leave something older there than what was flushed.
   */
  private long flushableTail() {
    if (flushes.isWaiting() && !mirror.coversTail()) {
      mirror.wantTail();
    }
    return Math.min(log.tail(), mirror.coveredTail());
  }

  private int endCommitted() {
    int work = 0;
    for (Operation next = committed.poll(); next != null; next = committed.poll()) {
      committed(next);
      work++;
    }
    return work;
  }

  private int endFlushed() {
    int work = 0;
    for (Operation next = flushed.poll(); next != null; next = flushed.poll()) {
      end(next, HostStatus.OK);
      work++;
    }
    return work;
  }

  private int continueReads() {
    int work = 0;
    for (Operation next = readsDone.poll(); next != null; next = readsDone.poll()) {
      run(next);
      work++;
    }
    return work;
  }

  private int startGranted() {
    int work = 0;
    while (released) {
      Operation next = locks.next();
      released = next != null;
      if (next != null) {
        run(next);
        work++;
      }
    }
    return work;
  }

  private int runStalled() {
    int work = 0;
    boolean going = true;
    for (int i = stalled.size(); i > 0 && going; i--) {
      Operation next = stalled.poll();
      if (next != null) {
        next.stalled = false;
        going = run(next);
        work += going ? 1 : 0;
      }
    }
    return work;
  }

  /** Goes on with an operation that holds its range; false when it stalled. */
  private boolean run(Operation operation) {
    boolean begun =
        (dropping || operation.cancelled || operation.failure != null || operation.again)
            ? abort(operation)
            : (guard.mayServe() && serve(operation));
    if (!begun) {
      operation.stalled = true;
      stalled.add(operation);
    }
    return begun;
  }

  private boolean serve(Operation operation) {
    if (pool.volumeBlocks(operation.volume) < operation.endBlock) {
      // Deleted or cut since the operation was admitted.
      operation.failure = HostStatus.NO_SUCH_VOLUME;
      return abort(operation);
    }
    return switch (operation.kind) {
      case READ -> read(operation);
      case WRITE -> write(operation);
      case ZERO -> zero(operation);
      case FLUSH -> throw new IllegalStateException("a FLUSH locks no range");
    };
  }

  /** Ends an operation early, as soon as no drive uses its memory. */
  private boolean abort(Operation operation) {
    if (operation.outstanding > 0) {
      return true;
    }
    HostStatus failure = operation.failure;
    if (failure != null) {
      end(operation, failure);
    } else if (dropping || operation.cancelled) {
      end(operation, HostStatus.SHUTDOWN);
    } else {
      retryAtNs = nowNs + RETRY_NS;
      letGo(operation);
      guard.again(operation);
    }
    return true;
  }

  private boolean read(Operation operation) {
    if (operation.checkRound == 0 && log.mode() != CommitLog.Mode.MIRRORED) {
      operation.checkRound = check.ask();
    }
    boolean aligned = operation.isAligned();
    if (!aligned && !scratch.lend(operation)) {
      return false;
    }
    MemorySegment to = aligned ? operation.data : scratch.memory();
    long base = aligned ? operation.dataOffset : scratch.offset(operation.bounce);
    long done = operation.cursor - operation.firstBlock;
    if (!reads.read(operation, operation.endBlock, to, base + done * BLOCK_BYTES)) {
      return false;
    }
    if (operation.outstanding == 0) {
      readDone(operation, aligned);
    }
    return true;
  }

  private void readDone(Operation operation, boolean aligned) {
    // Between the first look and now the peer may have taken over, and what was in our log may be
    // old: ask once more, after everything has been gathered.
    if (!guard.mayServe()) {
      letGo(operation);
      guard.again(operation);
      return;
    }
    if (log.mode() != CommitLog.Mode.MIRRORED && !isChecked(operation)) {
      unchecked.add(operation);
      return;
    }
    if (!aligned) {
      long from = scratch.offset(operation.bounce) + operation.offset % BLOCK_BYTES;
      MemorySegment.copy(
          scratch.memory(), from, operation.data, operation.dataOffset, operation.length);
    }
    end(operation, HostStatus.OK);
  }

  /** Whether the drives have said, since the read began, that this controller is the owner. */
  private boolean isChecked(Operation operation) {
    if (operation.checkRound == 0) {
      operation.checkRound = check.ask(); // it began with a mirror
    }
    return operation.checkRound <= check.answered();
  }

  /** Answers the reads that the drives have been asked for. */
  private int endChecked() {
    int work = 0;
    for (int i = unchecked.size(); i > 0; i--) {
      Operation next = Objects.requireNonNull(unchecked.poll());
      if (dropping || next.cancelled) {
        abort(next);
        work++;
      } else if (!guard.mayServe()) {
        letGo(next);
        guard.again(next);
        work++;
      } else if (isChecked(next) || log.mode() == CommitLog.Mode.MIRRORED) {
        readDone(next, next.isAligned());
        work++;
      } else {
        unchecked.add(next);
      }
    }
    return work;
  }

  private boolean write(Operation operation) {
    if (!operation.isAligned() && !readEdges(operation)) {
      return operation.outstanding > 0;
    }
    int count = operation.blockCount();
    if (destager.isSpaceExhausted()) {
      end(operation, HostStatus.NO_SPACE);
      return true;
    }
    switch (space.reserve(operation, operation.firstBlock, count)) {
      case WAIT -> {
        return false;
      }
      case NO_SPACE -> {
        end(operation, HostStatus.NO_SPACE);
        return true;
      }
      case GRANTED -> {}
    }
    long payload = log.prepareWrite(count);
    if (payload < 0) {
      return false;
    }
    compose(operation, payload);
    operation.appended = true;
    log.appendWrite(operation, operation.volume, operation.firstBlock, count);
    return true;
  }

  /** Puts the blocks together in the log: what the host gave, over what was there. */
  private void compose(Operation operation, long payload) {
    MemorySegment to = log.memory();
    if (operation.bounce >= 0) {
      long edges = scratch.offset(operation.bounce);
      long last = operation.endBlock - 1 - operation.firstBlock;
      MemorySegment.copy(scratch.memory(), edges, to, payload, BLOCK_BYTES);
      if (last > 0) {
        long at = payload + last * BLOCK_BYTES;
        MemorySegment.copy(scratch.memory(), edges + BLOCK_BYTES, to, at, BLOCK_BYTES);
      }
      scratch.takeBack(operation);
    }
    MemorySegment.copy(
        operation.data,
        operation.dataOffset,
        to,
        payload + operation.offset % BLOCK_BYTES,
        operation.length);
  }

  /**
   * Reads the first and the last block into the bounce buffer's first two; true when they are
   * there.
   */
  private boolean readEdges(Operation operation) {
    if (operation.edgesRead) {
      return operation.outstanding == 0;
    }
    if (!scratch.lend(operation)) {
      return false;
    }
    long edges = scratch.offset(operation.bounce);
    long first = operation.firstBlock;
    long last = operation.endBlock - 1;
    if (operation.cursor == first && !reads.read(operation, first + 1, scratch.memory(), edges)) {
      return false;
    }
    operation.cursor = Math.max(operation.cursor, last);
    if (last > first && !reads.read(operation, last + 1, scratch.memory(), edges + BLOCK_BYTES)) {
      return false;
    }
    operation.edgesRead = true;
    return operation.outstanding == 0;
  }

  /** Zeroes from the cursor's block on: a partial block as a write, whole ones with one record. */
  private boolean zero(Operation operation) {
    long block = operation.zeroed < 0 ? operation.firstBlock : operation.zeroed;
    operation.zeroed = block;
    boolean partial =
        operation.offset > block * BLOCK_BYTES || operation.endOffset() < (block + 1) * BLOCK_BYTES;
    if (partial) {
      return zeroInBlock(operation, block);
    }
    long whole = operation.endOffset() / BLOCK_BYTES - block;
    int count = (int) Math.min(whole, MAX_ZERO_BLOCKS);
    operation.step = count;
    operation.appended = log.appendZero(operation, operation.volume, block, count);
    return operation.appended;
  }

  private boolean zeroInBlock(Operation operation, long block) {
    if (!scratch.lend(operation)) {
      return false;
    }
    long buffer = scratch.offset(operation.bounce);
    if (!operation.edgesRead) {
      operation.cursor = block;
      operation.edgesRead = reads.read(operation, block + 1, scratch.memory(), buffer);
    }
    if (!operation.edgesRead || operation.outstanding > 0) {
      return operation.outstanding > 0;
    }
    Pool.Grant grant = space.reserve(operation, block, 1);
    long payload = grant == Pool.Grant.GRANTED ? log.prepareWrite(1) : -1;
    if (grant == Pool.Grant.NO_SPACE || destager.isSpaceExhausted()) {
      end(operation, HostStatus.NO_SPACE);
      return true;
    }
    if (payload < 0) {
      return false;
    }
    long from = Math.max(operation.offset - block * BLOCK_BYTES, 0);
    long to = Math.min(operation.endOffset() - block * BLOCK_BYTES, BLOCK_BYTES);
    MemorySegment.copy(scratch.memory(), buffer, log.memory(), payload, BLOCK_BYTES);
    log.memory().asSlice(payload + from, to - from).fill((byte) 0);
    operation.appended = true;
    operation.step = 1;
    log.appendWrite(operation, operation.volume, block, 1);
    return true;
  }

  private void committed(Operation operation) {
    operation.appended = false;
    operation.reserved = 0;
    if (operation.kind == HostOperation.ZERO) {
      operation.zeroed += operation.step;
      operation.edgesRead = false;
      if (operation.zeroed < operation.endBlock) {
        run(operation);
        return;
      }
    }
    unlock(operation);
    if (operation.forceUnitAccess) {
      flushes.add(operation);
    } else {
      end(operation, HostStatus.OK);
    }
  }

  private void unlock(Operation operation) {
    if (operation.lockSlot >= 0) {
      locks.release(operation);
      released = true;
    }
  }

  private void letGo(Operation operation) {
    unlock(operation);
    scratch.takeBack(operation);
    if (!operation.appended) {
      space.unreserve(operation);
    }
    active--;
  }

  private void end(Operation operation, HostStatus status) {
    letGo(operation);
    operation.source.ended(operation, status);
  }

  /** Ends what nobody waits for any more and has changed nothing. */
  void dropCancelled() {
    OperationQueue lockless = new OperationQueue();
    for (Operation next = locks.drop(); next != null; next = locks.drop()) {
      lockless.add(next);
    }
    for (Operation next = lockless.poll(); next != null; next = lockless.poll()) {
      if (next.cancelled) {
        end(next, HostStatus.SHUTDOWN);
      } else if (locks.acquire(next)) {
        run(next);
      }
    }
    for (int i = stalled.size(); i > 0; i--) {
      Operation next = Objects.requireNonNull(stalled.poll());
      next.stalled = false;
      run(next);
    }
  }

  /**
   * The pool is lost: everything ends with SHUTDOWN, at once or as soon as the drives have let go
   * of its memory; what is committed already ends well. Call again until {@link #active()} is 0.
   */
  void dropAll() {
    dropping = true;
    endCommitted();
    endFlushed();
    OperationQueue dropped = new OperationQueue();
    log.dropWaiters(dropped);
    if (!flushes.isUnderWay()) {
      flushes.drop(dropped);
    }
    for (Operation next = locks.drop(); next != null; next = locks.drop()) {
      dropped.add(next);
    }
    for (Operation next = dropped.poll(); next != null; next = dropped.poll()) {
      end(next, HostStatus.SHUTDOWN);
    }
    for (Operation next = stalled.poll(); next != null; next = stalled.poll()) {
      next.stalled = false;
      abort(next);
    }
    continueReads();
    endChecked();
    released = false;
  }

  /** Begins anew; nothing may be active. */
  void reset() {
    if (active != 0 || isUnderWay()) {
      throw new IllegalStateException(active + " operations are still active");
    }
    dropping = false;
    retryAtNs = Long.MIN_VALUE;
    reads.reset();
    flushes.reset();
  }
}
