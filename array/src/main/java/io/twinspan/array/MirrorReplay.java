package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolOperation;
import io.twinspan.pool.PoolRequest;
import io.twinspan.pool.PoolStatus;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * Takeover: writes every whole record of a log to the pool, in order, straight from the memory in
 * which it lies: the mirror of a dead owner's log, or the own log of an owner that was fenced.
 * Doing that twice, or for records that were destaged long ago, changes nothing, because all newer
 * records follow. Single-threaded; nobody writes to the memory any more.
 */
final class MirrorReplay {
  /** How far it is. */
  enum State {
    RUNNING,
    DONE,
    FENCED
  }

  private static final int WINDOW = 32;
  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);

  private final MemorySegment mirror;
  private final LogHeader header;
  private final LogRecord record;
  private final LogRecord later;
  private final Pool pool;
  private final int poolIndex;
  private final long arrayId;
  private final long ringBytes;
  private final ArrayDeque<Piece> free = new ArrayDeque<>(WINDOW);

  /** By index: the last request of this controller's hosts that the log's owner carried out. */
  private final int[] carriedOut = new int[ForwardClient.REQUESTS];

  private State state = State.DONE;
  private long epoch;
  private long sequence;
  private long position;
  private int index;
  private boolean whole;
  private boolean ended;
  private boolean damaged;
  private boolean zeroUnderWay;
  private int underWay;
  private long failedSequence;
  private long failedPosition;
  private long retryAtNs;
  private long nowNs;

  private final class Piece extends PoolRequest {
    long recordSequence;
    long recordPosition;

    @Override
    public void completed(PoolStatus status) {
      underWay--;
      zeroUnderWay = false;
      free.add(this);
      switch (status) {
        case OK, INVALID -> {}
        case FENCED, CLOSED -> state = State.FENCED;
        case NO_SPACE, NO_QUORUM, MEDIA_ERROR, NOT_FORMATTED -> failed(this);
      }
    }
  }

  /** Over one pool's part of {@code landing(MIRROR)}, or over its own log's memory. */
  MirrorReplay(MemorySegment mirror, Pool pool, int poolIndex, long arrayId) {
    this.mirror = mirror;
    this.pool = pool;
    this.poolIndex = poolIndex;
    this.arrayId = arrayId;
    ringBytes = mirror.byteSize() - CommitLog.RING_OFFSET;
    header = new LogHeader(mirror);
    record = new LogRecord(mirror);
    later = new LogRecord(mirror);
    for (int i = 0; i < WINDOW; i++) {
      free.add(new Piece());
    }
  }

  /** Makes the memory an empty log: what comes next begins a new life. */
  void forget() {
    header.clear();
  }

  /** Epoch of the log in the memory, 0 when it holds none. */
  long loggedEpoch() {
    int slot = header.newest(poolIndex, arrayId, ringBytes);
    return slot < 0 ? 0 : header.epoch(slot);
  }

  /**
   * Whether a request that was forwarded under this tag is in what was replayed, or was on the
   * drives before.
   */
  boolean hasCarriedOut(int tag) {
    return tag != 0 && carriedOut[ForwardClient.indexOf(tag)] == tag;
  }

  int underWay() {
    return underWay;
  }

  /** Whether the log ended at a record that has been damaged since it was placed. */
  boolean isDamaged() {
    return damaged;
  }

  /** Records found whole since {@link #start}. */
  long lastSequence() {
    return sequence;
  }

  void start() {
    int slot = header.newest(poolIndex, arrayId, ringBytes);
    state = slot < 0 ? State.DONE : State.RUNNING;
    if (slot >= 0) {
      epoch = header.epoch(slot);
      for (int i = 0; i < carriedOut.length; i++) {
        carriedOut[i] = header.carriedOut(slot, i);
      }
      rewind(header.sequence(slot), header.position(slot));
    }
  }

  private void rewind(long toSequence, long toPosition) {
    sequence = toSequence;
    position = toPosition;
    index = 0;
    whole = false;
    ended = false;
    damaged = false;
    failedSequence = 0;
  }

  State pump(long time) {
    nowNs = time;
    if (state == State.RUNNING && failedSequence != 0) {
      // Later pieces may be on the drives already: all of them come again, in order.
      if (underWay == 0 && time >= retryAtNs) {
        rewind(failedSequence, failedPosition);
      }
    }
    boolean going = true;
    while (state == State.RUNNING && failedSequence == 0 && !ended && going) {
      going = replayNext();
    }
    if (state == State.RUNNING && ended && underWay == 0 && failedSequence == 0) {
      state = State.DONE;
    }
    return state;
  }

  long retryAtNs() {
    return state == State.RUNNING && failedSequence != 0 ? retryAtNs : Long.MAX_VALUE;
  }

  private void failed(Piece piece) {
    if (failedSequence == 0 || piece.recordSequence < failedSequence) {
      failedSequence = piece.recordSequence;
      failedPosition = piece.recordPosition;
    }
    retryAtNs = nowNs + RETRY_NS;
  }

  /** Begins the next piece; false when that must wait or the log ends here. */
  private boolean replayNext() {
    long offset = position % ringBytes;
    record.wrap(CommitLog.RING_OFFSET + offset);
    if (!whole) {
      whole = record.isWhole(poolIndex, arrayId, epoch, sequence, ringBytes - offset);
      if (!whole) {
        ended = true;
        damaged = isFollowed();
        return false;
      }
    }
    boolean begun =
        switch (record.type()) {
          case LogRecord.PAD -> true;
          case LogRecord.ZERO -> zero();
          default -> write();
        };
    if (begun && index == 0) {
      int origin = record.origin();
      if (origin != 0) {
        carriedOut[ForwardClient.indexOf(origin)] = origin;
      }
      position += record.recordBytes();
      sequence++;
      whole = false;
    }
    return begun;
  }

  private boolean zero() {
    if (underWay > 0) {
      return false;
    }
    zeroUnderWay = submit(PoolOperation.ZERO, 0, record.blockCount());
    return zeroUnderWay;
  }

  private boolean write() {
    int count = record.blockCount();
    int end = Math.min(count, index + Pool.MAX_IO_BLOCKS);
    long blocks = pool.volumeBlocks(record.volume());
    if (record.block() + count > blocks) {
      // The volume was deleted or cut after this was destaged.
      index = 0;
      return true;
    }
    if (zeroUnderWay || free.isEmpty()) {
      return false;
    }
    Pool.Grant grant = reserve(index, end);
    if (grant == Pool.Grant.NO_SPACE) {
      long superseded = superseded();
      if ((superseded & 1L << index) != 0) {
        // The space that it took has been given up and taken again: nobody needs it here.
        int run = Long.numberOfTrailingZeros(~(superseded >>> index));
        index = index + run == count ? 0 : index + run;
        return true;
      }
      end = Math.min(end, index + Long.numberOfTrailingZeros(superseded >>> index));
      grant = reserve(index, end);
    }
    if (grant != Pool.Grant.GRANTED) {
      if (grant == Pool.Grant.NO_SPACE) {
        failedSequence = sequence;
        failedPosition = position;
        retryAtNs = nowNs + RETRY_NS;
      }
      return false;
    }
    boolean begun = submit(PoolOperation.WRITE, index, end);
    if (begun) {
      index = end == count ? 0 : end;
    } else {
      pool.unreserve(record.volume(), record.block() + index, end - index);
    }
    return begun;
  }

  private Pool.Grant reserve(int from, int to) {
    return pool.reserve(record.volume(), record.block() + from, to - from);
  }

  /** Blocks of the record, as bits, that later records of the mirror write or zero. */
  private long superseded() {
    long blocks = 0;
    long at = position + record.recordBytes();
    long number = sequence + 1;
    while (isWhole(at, number)) {
      if (later.type() != LogRecord.PAD && later.volume() == record.volume()) {
        long first = Math.max(later.block() - record.block(), 0);
        long end = later.block() - record.block() + later.blockCount();
        for (long i = first; i < Math.min(end, record.blockCount()); i++) {
          blocks |= 1L << i;
        }
      }
      at += later.recordBytes();
      number++;
    }
    return blocks;
  }

  /**
   * Whether a later record stands behind the one that is not whole. Records are placed in order, so
   * this one was whole once: the memory is damaged.
   */
  private boolean isFollowed() {
    boolean followed = false;
    int longest = LogRecord.writeBytes(LogRecord.MAX_BLOCKS);
    for (int skip = 0; skip <= longest && !followed; skip += LogRecord.HEADER_BYTES) {
      long offset = (position + skip) % ringBytes;
      followed =
          later
              .wrap(CommitLog.RING_OFFSET + offset)
              .isHeadAfter(poolIndex, arrayId, epoch, sequence, ringBytes - offset);
    }
    return followed;
  }

  private boolean isWhole(long at, long number) {
    long offset = at % ringBytes;
    return later
        .wrap(CommitLog.RING_OFFSET + offset)
        .isWhole(poolIndex, arrayId, epoch, number, ringBytes - offset);
  }

  private boolean submit(PoolOperation operation, int from, int to) {
    Piece piece = free.remove();
    piece.operation = operation;
    piece.recordSequence = sequence;
    piece.recordPosition = position;
    piece.volume = record.volume();
    piece.block = record.block() + from;
    piece.blockCount = to - from;
    if (operation == PoolOperation.WRITE) {
      piece.data = mirror;
      piece.dataOffset = record.payloadOffset() + (long) from * io.twinspan.pool.Drive.BLOCK_BYTES;
      for (int i = from; i < to; i++) {
        piece.checksums[i - from] = record.checksum(i);
      }
    }
    boolean accepted = pool.submit(piece);
    underWay += accepted ? 1 : 0;
    if (!accepted) {
      free.add(piece);
    }
    return accepted;
  }
}
