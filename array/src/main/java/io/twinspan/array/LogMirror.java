package io.twinspan.array;

import java.lang.foreign.MemorySegment;

/**
 * Places one pool's {@link CommitLog} into the peer's landing memory, at the same offsets, in
 * order, and from time to time its tail. Single-threaded.
 */
final class LogMirror {
  private static final long HEADER_BIT = 1L << 55;
  private static final int POOL_SHIFT = 56;

  /** The tail is placed when it has moved so far: a takeover replays all that follows it. */
  private static final long TAIL_BYTES = 128 << 10;

  private static final long SEQUENCE_MASK = HEADER_BIT - 1;

  private final PeerLink link;
  private final CommitLog log;
  private final LogHeader header;
  private final MemorySegment memory;
  private final int pool;
  private final long arrayId;
  private final long remoteOffset;

  private boolean active;
  private boolean established;
  private boolean broken;
  private boolean headerUnderWay;
  private boolean headerWanted;
  private int headerSlot;
  private long headerPosition;
  private long placedHeaderPosition;
  private long headerSequence;
  private long placedHeaderSequence;
  private long placeNext;

  LogMirror(PeerLink link, CommitLog log, int pool, long arrayId) {
    this.link = link;
    this.log = log;
    this.pool = pool;
    this.arrayId = arrayId;
    memory = log.memory();
    header = new LogHeader(memory);
    remoteOffset = pool * memory.byteSize();
  }

  /** Index of the pool that a placement belongs to. */
  static int poolOf(long token) {
    return (int) (token >>> POOL_SHIFT);
  }

  /** Begins to mirror a log that has just been reset. */
  void begin() {
    if (!log.isEmpty() || headerUnderWay) {
      throw new IllegalStateException("a mirror begins with an empty log");
    }
    active = true;
    established = false;
    broken = false;
    headerSlot = 0;
    headerPosition = -1;
    placedHeaderPosition = -1;
    placedHeaderSequence = log.tail();
    placeNext = log.head();
  }

  /** Has the tail placed now; see {@link #coversTail}. */
  void wantTail() {
    headerWanted = true;
  }

  /** Whether a replay would begin at the log's present tail. */
  boolean coversTail() {
    return !active || placedHeaderPosition == log.tailPosition();
  }

  /** Sequence of the record with which a replay would begin, at least. */
  long coveredTail() {
    return active ? placedHeaderSequence : log.tail();
  }

  /** Places nothing any more. */
  void end() {
    active = false;
    established = false;
  }

  /** Whether the peer has the new log's header, so that it would replay what follows. */
  boolean isEstablished() {
    return established;
  }

  /** Whether a header of an earlier life is still under way. */
  boolean isBusy() {
    return headerUnderWay;
  }

  /** Whether a placement has failed: the mirror is not complete any more. */
  boolean isBroken() {
    return broken;
  }

  int pump() {
    if (!active || broken) {
      return 0;
    }
    int work = 0;
    if (headerIsDue() && placeHeader()) {
      work++;
    }
    while (established && placeNext < log.head() && placeRecord(placeNext)) {
      placeNext++;
      work++;
    }
    return work;
  }

  private boolean headerIsDue() {
    long behind = log.tailPosition() - placedHeaderPosition;
    return !headerUnderWay
        && (!established
            || (behind > 0 && (headerWanted || log.wantsRoom() || behind >= TAIL_BYTES)));
  }

  private boolean placeHeader() {
    headerPosition = log.tailPosition();
    headerSequence = log.tail();
    header.encode(
        LogHeader.STAGED + headerSlot,
        pool,
        arrayId,
        log.epoch(),
        log.tail(),
        headerPosition,
        log.ringBytes(),
        log.carriedOut());
    long offset = (long) headerSlot * LogHeader.SLOT_BYTES;
    headerUnderWay =
        link.place(
            PeerLink.Lane.MIRROR,
            memory,
            (long) LogHeader.STAGED * LogHeader.SLOT_BYTES + offset,
            remoteOffset + offset,
            LogHeader.SLOT_BYTES,
            (long) pool << POOL_SHIFT | HEADER_BIT);
    return headerUnderWay;
  }

  private boolean placeRecord(long sequence) {
    long offset = log.offset(sequence);
    int bytes = log.type(sequence) == LogRecord.PAD ? LogRecord.HEADER_BYTES : log.length(sequence);
    return link.place(
        PeerLink.Lane.MIRROR,
        memory,
        offset,
        remoteOffset + offset,
        bytes,
        (long) pool << POOL_SHIFT | sequence);
  }

  /** A placement has ended. */
  void placed(long token, boolean success) {
    boolean isHeader = (token & HEADER_BIT) != 0;
    headerUnderWay &= !isHeader;
    broken |= !success;
    if (!active || broken) {
      return;
    }
    if (isHeader) {
      established = true;
      header.take(headerSlot);
      headerSlot ^= 1;
      headerWanted = false;
      placedHeaderPosition = headerPosition;
      placedHeaderSequence = headerSequence;
      log.released(headerPosition);
    } else {
      log.placed(token & SEQUENCE_MASK);
    }
  }
}
