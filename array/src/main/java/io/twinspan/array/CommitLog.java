package io.twinspan.array;

import io.twinspan.pool.Drive;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The commit log of one pool: a ring of {@link LogRecord}s in memory that drives and link reach. A
 * record is appended, placed into the mirror, destaged to the pool, and passed by the tail, in this
 * order; what a write waits for depends on the {@link Mode}.
 *
 * <p>Ring space is used again only after a {@link LogHeader} with a tail beyond it has been placed:
 * a replay that begins at any tail ever placed finds every later record.
 */
final class CommitLog {
  /** Bytes of a log's memory in front of the ring; the {@link LogHeader} lies there. */
  static final int RING_OFFSET = 4096;

  static final long MIN_BYTES = 1 << 20;
  static final long MAX_BYTES = 1 << 30;

  /** What counts as committed. */
  enum Mode {
    /** A record is committed when the drives hold it. */
    ALONE,
    /**
     * A record is destaged when the mirror holds it, and committed when the drives do: so it does
     * not matter whether the drives name this log yet.
     */
    JOINING,
    /** A record is committed when the mirror holds it; only then it is destaged. */
    MIRRORED,
    /** Nothing is committed and nothing destaged. */
    HELD,
    /** Everything is destaged, nothing is committed yet. */
    SETTLING
  }

  private static final int PLACED = 1;
  private static final int DESTAGED = 2;

  private final MemorySegment memory;
  private final LogRecord record;
  private final BlockOverlay overlay;
  private final OperationQueue committed;
  private final int pool;
  private final long arrayId;
  private final long ringBytes;

  private final int mask;
  private final long[] positions;
  private final int[] lengths;
  private final int[] volumes;
  private final long[] blocks;
  private final int[] counts;
  private final byte[] types;
  private final byte[] flags;
  private final int[] partsLeft;
  private final @Nullable Operation[] waiters;
  private final int[] origins;

  /** By index: the peer's last request that ended before the tail. */
  private final int[] carriedOut = new int[ForwardClient.REQUESTS];

  private Mode mode = Mode.HELD;
  private long epoch;
  private long head = 1;
  private long tail = 1;
  private long placedEnd = 1;
  private long headPosition;
  private long tailPosition;
  private long releasedPosition;
  private int undestaged;
  private boolean wantsRoom;
  private long committedByMirror;
  private long committedByDrives;

  /**
   * A log that serves nothing yet.
   *
   * @param committed where operations go whose record is committed
   */
  CommitLog(MemorySegment memory, int pool, long arrayId, OperationQueue committed) {
    this.memory = memory;
    this.pool = pool;
    this.arrayId = arrayId;
    this.committed = committed;
    record = new LogRecord(memory);
    ringBytes = memory.byteSize() - RING_OFFSET;
    overlay = new BlockOverlay((int) (ringBytes / Drive.BLOCK_BYTES));
    int capacity = Integer.highestOneBit((int) (ringBytes / Drive.BLOCK_BYTES)) << 2;
    mask = capacity - 1;
    positions = new long[capacity];
    lengths = new int[capacity];
    volumes = new int[capacity];
    blocks = new long[capacity];
    counts = new int[capacity];
    types = new byte[capacity];
    flags = new byte[capacity];
    partsLeft = new int[capacity];
    waiters = new Operation[capacity];
    origins = new int[capacity];
  }

  MemorySegment memory() {
    return memory;
  }

  BlockOverlay overlay() {
    return overlay;
  }

  Mode mode() {
    return mode;
  }

  long epoch() {
    return epoch;
  }

  /** Sequence that the next record will have. */
  long head() {
    return head;
  }

  /** Sequence of the oldest record that is not destaged and committed. */
  long tail() {
    return tail;
  }

  long tailPosition() {
    return tailPosition;
  }

  long ringBytes() {
    return ringBytes;
  }

  long usedBytes() {
    return headPosition - tailPosition;
  }

  boolean isEmpty() {
    return head == tail;
  }

  boolean isDestaged() {
    return undestaged == 0;
  }

  long committedByMirror() {
    return committedByMirror;
  }

  long committedByDrives() {
    return committedByDrives;
  }

  /** Whether somebody waits for ring space that only a newly placed tail can give. */
  boolean wantsRoom() {
    return wantsRoom;
  }

  /** Sequence up to which records may be destaged, exclusive. */
  long destageLimit() {
    return switch (mode) {
      case ALONE, SETTLING -> head;
      case JOINING, MIRRORED -> placedEnd;
      case HELD -> tail;
    };
  }

  long position(long sequence) {
    return positions[slot(sequence)];
  }

  /** Offset of a record in {@link #memory()}. */
  long offset(long sequence) {
    return RING_OFFSET + position(sequence) % ringBytes;
  }

  int length(long sequence) {
    return lengths[slot(sequence)];
  }

  int type(long sequence) {
    return types[slot(sequence)];
  }

  int volume(long sequence) {
    return volumes[slot(sequence)];
  }

  long block(long sequence) {
    return blocks[slot(sequence)];
  }

  int blockCount(long sequence) {
    return counts[slot(sequence)];
  }

  /** Offset of a block of a WRITE record in {@link #memory()}. */
  long blockOffset(long sequence, int index) {
    return offset(sequence)
        + LogRecord.payloadOffset(blockCount(sequence))
        + (long) index * Drive.BLOCK_BYTES;
  }

  int checksum(long sequence, int index) {
    return record.wrap(offset(sequence)).checksum(index);
  }

  /** Takes out the operations that wait for their record to be committed. */
  void dropWaiters(OperationQueue dropped) {
    for (long sequence = tail; sequence < head; sequence++) {
      Operation waiter = waiters[slot(sequence)];
      waiters[slot(sequence)] = null;
      if (waiter != null) {
        dropped.add(waiter);
      }
    }
  }

  /** Tags of the peer's last requests that were carried out before the tail, by index. */
  int[] carriedOut() {
    return carriedOut;
  }

  /** The life of the link is over in which the peer forwarded: its tags mean nothing any more. */
  void forgetOrigins() {
    Arrays.fill(carriedOut, 0);
    for (long sequence = tail; sequence < head; sequence++) {
      origins[slot(sequence)] = 0;
    }
  }

  /** Empties the log at once and begins a new life of it. Nothing may be under way. */
  void reset(Mode newMode, long newEpoch) {
    overlay.clear();
    tail = head;
    placedEnd = head;
    headPosition = 0;
    tailPosition = 0;
    releasedPosition = 0;
    undestaged = 0;
    wantsRoom = false;
    epoch = newEpoch;
    mode = newMode;
  }

  /** Changes what counts as committed, and commits what that makes so. */
  void become(Mode newMode) {
    if ((newMode == Mode.JOINING && !isEmpty())
        || (newMode == Mode.MIRRORED && mode != Mode.JOINING)) {
      throw new IllegalStateException("a mirror begins with an empty log: reset");
    }
    mode = newMode;
    for (long sequence = tail; sequence < head; sequence++) {
      settle(sequence);
    }
    advanceTail();
  }

  /**
   * Finds room for a WRITE record.
   *
   * @return offset in {@link #memory()} where its blocks go before {@link #appendWrite}, or -1 when
   *     the log is full
   */
  long prepareWrite(int blockCount) {
    int bytes = LogRecord.writeBytes(blockCount);
    long space = ringBytes - headPosition % ringBytes;
    long needed = bytes <= space ? bytes : space + bytes;
    if (!hasRoom(needed)) {
      return -1;
    }
    if (bytes > space) {
      append(LogRecord.PAD, null, 0, 0, 0, (int) space);
    }
    return RING_OFFSET + headPosition % ringBytes + LogRecord.payloadOffset(blockCount);
  }

  /** Appends the record whose blocks are in place. */
  void appendWrite(Operation waiter, int volume, long block, int blockCount) {
    long sequence = head;
    append(LogRecord.WRITE, waiter, volume, block, blockCount, LogRecord.writeBytes(blockCount));
    for (int i = 0; i < blockCount; i++) {
      overlay.put(volume, block + i, BlockOverlay.place(sequence, i));
    }
  }

  /** Appends a ZERO record; false when the log is full. */
  boolean appendZero(Operation waiter, int volume, long block, int blockCount) {
    boolean room = hasRoom(LogRecord.HEADER_BYTES);
    if (room) {
      append(LogRecord.ZERO, waiter, volume, block, blockCount, LogRecord.HEADER_BYTES);
    }
    return room;
  }

  private boolean hasRoom(long bytes) {
    boolean room = headPosition + bytes - releasedPosition <= ringBytes && head - tail + 2 <= mask;
    wantsRoom |= !room;
    return room;
  }

  private void append(
      int type, @Nullable Operation waiter, int volume, long block, int blockCount, int bytes) {
    long sequence = head;
    int origin = waiter == null ? 0 : waiter.originUpTo(block + blockCount);
    record
        .wrap(RING_OFFSET + headPosition % ringBytes)
        .encode(type, pool, arrayId, epoch, sequence, volume, block, blockCount, bytes, origin);
    int slot = slot(sequence);
    positions[slot] = headPosition;
    lengths[slot] = bytes;
    volumes[slot] = volume;
    blocks[slot] = block;
    counts[slot] = blockCount;
    types[slot] = (byte) type;
    flags[slot] = 0;
    partsLeft[slot] = type == LogRecord.WRITE ? blockCount : 1;
    waiters[slot] = waiter;
    origins[slot] = origin;
    if (waiter != null) {
      waiter.barrier = sequence + 1;
    }
    head++;
    headPosition += bytes;
    undestaged++;
  }

  /** The mirror holds the record; records are placed in order. */
  void placed(long sequence) {
    if (sequence != placedEnd || sequence >= head) {
      throw new IllegalStateException("placed " + sequence + " after " + placedEnd);
    }
    flags[slot(sequence)] |= PLACED;
    placedEnd++;
    settle(sequence);
  }

  /** The pool holds this many more blocks of a WRITE record; other records have one part. */
  void destaged(long sequence, int parts) {
    int slot = slot(sequence);
    if (sequence < tail || sequence >= head || parts > partsLeft[slot]) {
      throw new IllegalStateException("destaged " + sequence + " of " + tail + " to " + head);
    }
    partsLeft[slot] -= parts;
    if (partsLeft[slot] == 0) {
      destagedWhole(sequence, slot);
    }
  }

  private void destagedWhole(long sequence, int slot) {
    if (types[slot] == LogRecord.WRITE) {
      for (int i = 0; i < counts[slot]; i++) {
        overlay.remove(volumes[slot], blocks[slot] + i, BlockOverlay.place(sequence, i));
      }
    }
    flags[slot] |= DESTAGED;
    undestaged--;
    settle(sequence);
    advanceTail();
  }

  /** A placed tail frees the ring up to its position. */
  void released(long position) {
    if (position < releasedPosition || position > tailPosition) {
      throw new IllegalStateException("released " + position + " beyond " + tailPosition);
    }
    releasedPosition = position;
    wantsRoom = false;
  }

  private void settle(long sequence) {
    int slot = slot(sequence);
    Operation waiter = waiters[slot];
    if (waiter != null && isCommitted(slot)) {
      waiters[slot] = null;
      committedByMirror += mode == Mode.MIRRORED ? 1 : 0;
      committedByDrives += mode == Mode.MIRRORED ? 0 : 1;
      committed.add(waiter);
    }
  }

  private boolean isCommitted(int slot) {
    boolean destaged = (flags[slot] & DESTAGED) != 0;
    return switch (mode) {
      case ALONE, JOINING -> destaged;
      case MIRRORED -> (flags[slot] & PLACED) != 0 && (destaged || types[slot] != LogRecord.ZERO);
      case HELD, SETTLING -> false;
    };
  }

  private void advanceTail() {
    while (tail < head && (flags[slot(tail)] & DESTAGED) != 0 && waiters[slot(tail)] == null) {
      int slot = slot(tail);
      tailPosition += lengths[slot];
      if (origins[slot] != 0) {
        carriedOut[ForwardClient.indexOf(origins[slot])] = origins[slot];
      }
      tail++;
    }
    if (mode != Mode.MIRRORED && mode != Mode.JOINING) {
      releasedPosition = tailPosition;
      wantsRoom = false;
    }
  }

  private int slot(long sequence) {
    return (int) sequence & mask;
  }
}
