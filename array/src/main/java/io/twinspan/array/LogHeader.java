package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Where a mirrored log begins: two slots of 320 bytes at the start of a log's memory, written in
 * turn, so that one of them is whole whenever the writer dies. Little-endian.
 *
 * <pre>
 *   +---------------------------------------------------------------+
 *  0| magic "TWLH"                                                  |
 *   +-------------------------------+-------------------------------+
 *  4| version                       | pool                          |
 *   +-------------------------------+-------------------------------+
 *  8| array id (64 bits)                                            |
 *   +---------------------------------------------------------------+
 * 16| epoch of all records (64 bits)                                |
 *   +---------------------------------------------------------------+
 * 24| sequence of the oldest record that counts (64 bits)           |
 *   +---------------------------------------------------------------+
 * 32| its position: bytes ever appended before it (64 bits)         |
 *   +---------------------------------------------------------------+
 * 40| size of the ring in bytes (64 bits)                           |
 *   +---------------------------------------------------------------+
 * 48| CRC32C of the tags below                                      |
 *   +---------------------------------------------------------------+
 * 52| 0 (64 bits)                                                   |
 *   +---------------------------------------------------------------+
 * 60| CRC32C of bytes 0 to 59                                       |
 *   +---------------------------------------------------------------+
 * 64| tags of the peer's last 64 requests that ended before that    |
 *   | record, by index; 0 for none                                  |
 *   +---------------------------------------------------------------+
 * </pre>
 */
final class LogHeader {
  static final int HEAD_BYTES = 64;
  static final int SLOT_BYTES = HEAD_BYTES + ForwardClient.REQUESTS * Integer.BYTES;
  static final int SLOTS = 2;

  /**
   * Slots beyond those that count, one for each: a header is made there. The owner's own slots get
   * it when the peer has it, so that a replay of either log begins no later than one of the other.
   */
  static final int STAGED = SLOTS;

  private static final int MAGIC = 0x484C5754;
  private static final int VERSION = 2;
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final MemorySegment segment;
  private final Checksums checksums;

  /** Over the memory of one pool's log or its mirror. */
  LogHeader(MemorySegment segment) {
    this.segment = segment;
    this.checksums = new Checksums(segment);
  }

  void encode(
      int slot,
      int pool,
      long arrayId,
      long epoch,
      long sequence,
      long position,
      long ringBytes,
      int[] carriedOut) {
    long at = (long) slot * SLOT_BYTES;
    segment.asSlice(at, HEAD_BYTES).fill((byte) 0);
    for (int i = 0; i < ForwardClient.REQUESTS; i++) {
      segment.set(INT, at + HEAD_BYTES + (long) i * Integer.BYTES, carriedOut[i]);
    }
    segment.set(INT, at, MAGIC);
    segment.set(INT, at + 4, VERSION | pool << 16);
    segment.set(LONG, at + 8, arrayId);
    segment.set(LONG, at + 16, epoch);
    segment.set(LONG, at + 24, sequence);
    segment.set(LONG, at + 32, position);
    segment.set(LONG, at + 40, ringBytes);
    segment.set(INT, at + 48, tagsCrc(at));
    segment.set(INT, at + 60, checksums.of(at, 60));
  }

  /** Makes a staged header the one of its slot. */
  void take(int slot) {
    long from = (long) (STAGED + slot) * SLOT_BYTES;
    MemorySegment.copy(segment, from, segment, (long) slot * SLOT_BYTES, SLOT_BYTES);
  }

  private int tagsCrc(long at) {
    return checksums.of(at + HEAD_BYTES, SLOT_BYTES - HEAD_BYTES);
  }

  /** Makes both slots invalid: this mirror holds nothing. */
  void clear() {
    segment.asSlice(0, (long) SLOTS * SLOT_BYTES).fill((byte) 0);
  }

  /** The valid slot with the highest epoch and sequence, or -1 when there is none. */
  int newest(int pool, long arrayId, long ringBytes) {
    int newest = -1;
    for (int slot = 0; slot < SLOTS; slot++) {
      if (isValid(slot, pool, arrayId, ringBytes) && (newest < 0 || isNewer(slot, newest))) {
        newest = slot;
      }
    }
    return newest;
  }

  private boolean isNewer(int slot, int other) {
    return epoch(slot) != epoch(other)
        ? epoch(slot) > epoch(other)
        : sequence(slot) > sequence(other);
  }

  private boolean isValid(int slot, int pool, long arrayId, long ringBytes) {
    long at = (long) slot * SLOT_BYTES;
    return segment.get(INT, at) == MAGIC
        && segment.get(INT, at + 4) == (VERSION | pool << 16)
        && segment.get(LONG, at + 8) == arrayId
        && segment.get(LONG, at + 40) == ringBytes
        && (position(slot) & 63) == 0
        && position(slot) >= 0
        && segment.get(INT, at + 60) == checksums.of(at, 60)
        && segment.get(INT, at + 48) == tagsCrc(at);
  }

  /** Tag of the peer's last request of an index; 0 for none. */
  int carriedOut(int slot, int index) {
    return segment.get(INT, (long) slot * SLOT_BYTES + HEAD_BYTES + (long) index * Integer.BYTES);
  }

  long epoch(int slot) {
    return segment.get(LONG, (long) slot * SLOT_BYTES + 16);
  }

  long sequence(int slot) {
    return segment.get(LONG, (long) slot * SLOT_BYTES + 24);
  }

  long position(int slot) {
    return segment.get(LONG, (long) slot * SLOT_BYTES + 32);
  }
}
