package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolOperation;
import io.twinspan.pool.PoolRequest;
import io.twinspan.pool.PoolStatus;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * Writes the log's records to the pool, in order, straight from log memory, many at a time.
 *
 * <p>What the pool refuses for the time being (no space, no quorum) stays in the log and is tried
 * again; nothing new is begun until then. A later record may be on the drives already, so only
 * blocks of which the log holds nothing newer are tried again.
 */
final class Destager {
  private static final int WINDOW = 64;
  private static final long RETRY_NS = TimeUnit.SECONDS.toNanos(1);

  private final CommitLog log;
  private final Pool pool;
  private final ArrayDeque<Piece> free = new ArrayDeque<>(WINDOW);
  private final ArrayDeque<Piece> refused = new ArrayDeque<>(WINDOW);
  private long next = 1;
  private int nextIndex;
  private int underWay;
  private boolean zeroUnderWay;
  private boolean fenced;
  private boolean spaceExhausted;
  private long retryAtNs;
  private long nowNs;

  /** A run of blocks of one record on its way to the pool. */
  private final class Piece extends PoolRequest {
    long sequence;
    int index;
    int end;

    @Override
    public void completed(PoolStatus status) {
      underWay--;
      switch (status) {
        case OK, INVALID -> passed(this);
        case FENCED -> {
          fenced = true;
          free.add(this);
        }
        case CLOSED -> free.add(this);
        case NO_SPACE, NO_QUORUM, MEDIA_ERROR, NOT_FORMATTED -> {
          spaceExhausted |= status == PoolStatus.NO_SPACE;
          retryAtNs = nowNs + RETRY_NS;
          refused.add(this);
        }
      }
    }
  }

  Destager(CommitLog log, Pool pool) {
    this.log = log;
    this.pool = pool;
    for (int i = 0; i < WINDOW; i++) {
      free.add(new Piece());
    }
  }

  /** Begins anew with a log that has been reset. */
  void reset() {
    free.addAll(refused);
    refused.clear();
    if (underWay != 0) {
      throw new IllegalStateException("records are still being destaged");
    }
    next = log.head();
    nextIndex = 0;
    zeroUnderWay = false;
    fenced = false;
    spaceExhausted = false;
  }

  int underWay() {
    return underWay;
  }

  /** Whether the pool told that another controller has taken the drives. */
  boolean isFenced() {
    return fenced;
  }

  /** Whether records are kept back because the medium is full. */
  boolean isSpaceExhausted() {
    return spaceExhausted;
  }

  /** Whether records are kept back. */
  boolean isStuck() {
    return !refused.isEmpty();
  }

  /** When to try again what was refused. */
  long retryAtNs() {
    return refused.isEmpty() ? Long.MAX_VALUE : retryAtNs;
  }

  int pump(long time) {
    nowNs = time;
    int work = 0;
    if (log.mode() == CommitLog.Mode.HELD || fenced) {
      return 0;
    }
    if (!refused.isEmpty()) {
      if (time >= retryAtNs) {
        spaceExhausted = false;
        for (int i = refused.size(); i > 0; i--) {
          retry(refused.remove());
          work++;
        }
      }
      return work;
    }
    while (next < log.destageLimit() && begin()) {
      work++;
    }
    return work;
  }

  /** Begins the next piece; false when that must wait. */
  private boolean begin() {
    return switch (log.type(next)) {
      case LogRecord.PAD -> {
        long pad = next++;
        log.destaged(pad, 1);
        yield true;
      }
      case LogRecord.ZERO -> beginZero();
      default -> beginWrite();
    };
  }

  private boolean beginZero() {
    // Nothing of before may come after it, so nothing else is under way beside it.
    if (underWay > 0 || free.isEmpty()) {
      return false;
    }
    Piece piece = free.remove();
    piece.operation = PoolOperation.ZERO;
    piece.sequence = next;
    piece.volume = log.volume(next);
    piece.block = log.block(next);
    piece.blockCount = log.blockCount(next);
    zeroUnderWay = submit(piece);
    if (zeroUnderWay) {
      next++;
    } else {
      free.add(piece);
    }
    return zeroUnderWay;
  }

  private boolean beginWrite() {
    if (zeroUnderWay || free.isEmpty()) {
      return false;
    }
    Piece piece = free.remove();
    piece.sequence = next;
    piece.index = nextIndex;
    piece.end = Math.min(log.blockCount(next), nextIndex + Pool.MAX_IO_BLOCKS);
    describe(piece, piece.index, piece.end);
    if (!submit(piece)) {
      free.add(piece);
      return false;
    }
    boolean whole = piece.end == log.blockCount(next);
    nextIndex = whole ? 0 : piece.end;
    next += whole ? 1 : 0;
    return true;
  }

  private void describe(Piece piece, int index, int end) {
    long sequence = piece.sequence;
    piece.operation = PoolOperation.WRITE;
    piece.volume = log.volume(sequence);
    piece.block = log.block(sequence) + index;
    piece.blockCount = end - index;
    piece.data = log.memory();
    piece.dataOffset = log.blockOffset(sequence, index);
    for (int i = index; i < end; i++) {
      piece.checksums[i - index] = log.checksum(sequence, i);
    }
  }

  private boolean submit(Piece piece) {
    boolean accepted = pool.submit(piece);
    underWay += accepted ? 1 : 0;
    return accepted;
  }

  private void passed(Piece piece) {
    if (piece.operation == PoolOperation.ZERO) {
      zeroUnderWay = false;
      free.add(piece);
      log.destaged(piece.sequence, 1);
      return;
    }
    int written = (int) (piece.block - log.block(piece.sequence)) + piece.blockCount;
    int parts = written - piece.index;
    piece.index = written;
    if (written < piece.end) {
      refused.add(piece);
      retryAtNs = nowNs;
    } else {
      free.add(piece);
    }
    log.destaged(piece.sequence, parts);
  }

  /** Tries again; of a WRITE the next run of blocks that nothing newer in the log has replaced. */
  private void retry(Piece piece) {
    if (piece.operation == PoolOperation.WRITE && !describeNewest(piece)) {
      free.add(piece);
    } else if (!reserved(piece) || !submit(piece)) {
      refused.add(piece);
      retryAtNs = nowNs + RETRY_NS;
    }
  }

  /** Sets room aside again: the write that failed has given up its own. */
  private boolean reserved(Piece piece) {
    if (piece.operation != PoolOperation.WRITE) {
      return true;
    }
    Pool.Grant grant = pool.reserve(piece.volume, piece.block, piece.blockCount);
    spaceExhausted |= grant == Pool.Grant.NO_SPACE;
    return grant == Pool.Grant.GRANTED;
  }

  private boolean describeNewest(Piece piece) {
    int start = piece.index;
    long blocks = pool.volumeBlocks(log.volume(piece.sequence));
    if (log.block(piece.sequence) + piece.end > blocks) {
      // The volume was deleted, or cut: nobody can read these blocks any more.
      start = piece.end;
    }
    while (start < piece.end && !isNewest(piece.sequence, start)) {
      start++;
    }
    int end = start;
    while (end < piece.end && isNewest(piece.sequence, end)) {
      end++;
    }
    if (start > piece.index) {
      log.destaged(piece.sequence, start - piece.index);
      piece.index = start;
    }
    if (end > start) {
      describe(piece, start, end);
    }
    return end > start;
  }

  private boolean isNewest(long sequence, int index) {
    long place = log.overlay().get(log.volume(sequence), log.block(sequence) + index);
    return place == BlockOverlay.place(sequence, index);
  }
}
