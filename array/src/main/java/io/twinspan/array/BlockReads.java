package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolOperation;
import io.twinspan.pool.PoolRequest;
import io.twinspan.pool.PoolStatus;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Reads whole blocks for operations: from the commit log where it holds them, else from the pool.
 * Single-threaded.
 */
final class BlockReads {
  private static final int CAPACITY = 256;

  /**
   * When drives go one after the other, so long after the last one a block without a copy may only
   * be the first sign that most are about to be gone.
   */
  private static final long GOING_NS = TimeUnit.SECONDS.toNanos(1);

  private final Pool pool;
  private final CommitLog log;
  private final OperationQueue completed;
  private final ArrayDeque<BlockRead> free = new ArrayDeque<>(CAPACITY);
  private final List<Drive> drives;
  private boolean fenced;
  private int goneDrives;
  private long goingUntilNs;
  private long nowNs;

  private final class BlockRead extends PoolRequest {
    @Nullable Operation reader;

    @Override
    public void completed(PoolStatus status) {
      Operation ended = Objects.requireNonNull(reader);
      reader = null;
      free.add(this);
      readEnded(ended, status);
    }
  }

  /**
   * A reader of a pool and its log.
   *
   * @param completed where operations go when the last read that they waited for has ended
   */
  BlockReads(Pool pool, List<Drive> drives, CommitLog log, OperationQueue completed) {
    this.pool = pool;
    this.drives = drives;
    this.log = log;
    this.completed = completed;
    for (int i = 0; i < CAPACITY; i++) {
      BlockRead read = new BlockRead();
      read.operation = PoolOperation.READ;
      free.add(read);
    }
  }

  /** Tells the time. */
  void at(long time) {
    nowNs = time;
  }

  int underWay() {
    return CAPACITY - free.size();
  }

  boolean isFenced() {
    return fenced;
  }

  void reset() {
    fenced = false;
  }

  /**
   * Reads from block {@code operation.cursor} on, which moves to where it came.
   *
   * @param end block to stop at
   * @param offset where the block at the cursor goes in {@code to}
   * @return false when there is no room for the rest now
   */
  boolean read(Operation operation, long end, MemorySegment to, long offset) {
    long at = offset;
    while (operation.cursor < end) {
      int run = readRun(operation, end, to, at);
      if (run == 0) {
        return false;
      }
      operation.cursor += run;
      at += (long) run * Drive.BLOCK_BYTES;
    }
    return true;
  }

  private int readRun(Operation operation, long end, MemorySegment to, long offset) {
    long place = log.overlay().get(operation.volume, operation.cursor);
    if (place != BlockOverlay.NONE) {
      long from = log.blockOffset(BlockOverlay.sequence(place), BlockOverlay.index(place));
      MemorySegment.copy(log.memory(), from, to, offset, Drive.BLOCK_BYTES);
      return 1;
    }
    int most = (int) Math.min(end - operation.cursor, Pool.MAX_IO_BLOCKS);
    int run = 1;
    while (run < most
        && log.overlay().get(operation.volume, operation.cursor + run) == BlockOverlay.NONE) {
      run++;
    }
    return submit(operation, run, to, offset) ? run : 0;
  }

  private boolean submit(Operation operation, int run, MemorySegment to, long offset) {
    BlockRead read = free.poll();
    if (read == null) {
      return false;
    }
    read.reader = operation;
    read.volume = operation.volume;
    read.block = operation.cursor;
    read.blockCount = run;
    read.data = to;
    read.dataOffset = offset;
    boolean accepted = pool.submit(read);
    if (accepted) {
      operation.outstanding++;
    } else {
      read.reader = null;
      free.add(read);
    }
    return accepted;
  }

  private void readEnded(Operation operation, PoolStatus status) {
    operation.outstanding--;
    switch (status) {
      case OK -> {}
      case FENCED -> {
        fenced = true;
        operation.again = true;
      }
      case NO_QUORUM, CLOSED -> operation.again = true;
      case MEDIA_ERROR -> {
        if (drivesAreGoing()) {
          operation.again = true;
        } else {
          operation.failure = HostStatus.IO_ERROR;
        }
      }
      case NO_SPACE, NOT_FORMATTED -> operation.failure = HostStatus.IO_ERROR;
      case INVALID -> operation.failure = HostStatus.NO_SUCH_VOLUME;
    }
    if (operation.outstanding == 0 && !operation.stalled) {
      completed.add(operation);
    }
  }

  /**
   * Whether another drive has gone a moment ago. When a shelf dies, both copies of a block are gone
   * before most drives are: such a read has to wait like everything else, not to fail.
   */
  private boolean drivesAreGoing() {
    int gone = 0;
    for (int i = 0; i < drives.size(); i++) {
      gone += drives.get(i).isPresent() ? 0 : 1;
    }
    if (gone > goneDrives) {
      goingUntilNs = nowNs + GOING_NS;
    }
    goneDrives = gone;
    return gone > 0 && nowNs < goingUntilNs;
  }
}
