package io.twinspan.array;

import io.twinspan.pool.Drive;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Flyweight over one record of a commit log. Records begin at multiples of 64 bytes; integers are
 * little-endian.
 *
 * <pre>
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +---------------------------------------------------------------+
 *  0| magic "TWLR"                                                  |
 *   +-------------------------------+---------------+---------------+
 *  4| version                       | type          | pool          |
 *   +-------------------------------+---------------+---------------+
 *  8| array id (64 bits)                                            |
 *   +---------------------------------------------------------------+
 * 16| epoch (64 bits)                                               |
 *   +---------------------------------------------------------------+
 * 24| sequence (64 bits), one more than that of the record before   |
 *   +---------------------------------------------------------------+
 * 32| first block in the volume (64 bits)                           |
 *   +---------------------------------------------------------------+
 * 40| volume                                                        |
 *   +---------------------------------------------------------------+
 * 44| number of blocks                                              |
 *   +---------------------------------------------------------------+
 * 48| length of the whole record in bytes, a multiple of 64         |
 *   +---------------------------------------------------------------+
 * 52| tag under which the peer forwarded the request, or 0         |
 *   +---------------------------------------------------------------+
 * 56| CRC32C of the checksums below, 0 when there are none          |
 *   +---------------------------------------------------------------+
 * 60| CRC32C of bytes 0 to 59                                       |
 *   +---------------------------------------------------------------+
 * 64| WRITE only: CRC32C of each block, padded with zeros to 64     |
 *   +---------------------------------------------------------------+
 *   | WRITE only: the blocks, 4096 bytes each                       |
 *   +---------------------------------------------------------------+
 * </pre>
 *
 * A PAD record fills the ring up to its end and names no blocks. A record that is whole has the
 * right magic, version, pool, array and epoch, follows the one before it, and all its checksums
 * match: a torn one is where a log ends.
 */
final class LogRecord {
  static final int HEADER_BYTES = 64;
  static final int MAX_BLOCKS = 33;
  static final int MAGIC = 0x524C5754;
  static final int VERSION = 2;
  static final int WRITE = 1;
  static final int ZERO = 2;
  static final int PAD = 3;

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final MemorySegment segment;
  private final Checksums checksums;
  private long offset;

  LogRecord(MemorySegment segment) {
    this.segment = segment;
    this.checksums = new Checksums(segment);
  }

  LogRecord wrap(long recordOffset) {
    offset = recordOffset;
    return this;
  }

  /** Bytes in front of the blocks of a WRITE of this many blocks. */
  static int payloadOffset(int blockCount) {
    return HEADER_BYTES + ((blockCount * Integer.BYTES + 63) & ~63);
  }

  /** Length of a WRITE record. */
  static int writeBytes(int blockCount) {
    return payloadOffset(blockCount) + blockCount * Drive.BLOCK_BYTES;
  }

  /** Writes everything but the blocks, which are in place already. */
  void encode(
      int type,
      int pool,
      long arrayId,
      long epoch,
      long sequence,
      int volume,
      long block,
      int blockCount,
      int recordBytes,
      int origin) {
    segment.asSlice(offset, HEADER_BYTES).fill((byte) 0);
    int tableCrc = type == WRITE ? encodeChecksums(blockCount) : 0;
    segment.set(INT, offset, MAGIC);
    segment.set(INT, offset + 4, VERSION | type << 16 | pool << 24);
    segment.set(LONG, offset + 8, arrayId);
    segment.set(LONG, offset + 16, epoch);
    segment.set(LONG, offset + 24, sequence);
    segment.set(LONG, offset + 32, block);
    segment.set(INT, offset + 40, volume);
    segment.set(INT, offset + 44, blockCount);
    segment.set(INT, offset + 48, recordBytes);
    segment.set(INT, offset + 52, origin);
    segment.set(INT, offset + 56, tableCrc);
    segment.set(INT, offset + 60, checksums.of(offset, 60));
  }

  private int encodeChecksums(int blockCount) {
    int tableBytes = payloadOffset(blockCount) - HEADER_BYTES;
    segment.asSlice(offset + HEADER_BYTES, tableBytes).fill((byte) 0);
    long payload = offset + payloadOffset(blockCount);
    for (int i = 0; i < blockCount; i++) {
      int crc = checksums.of(payload + (long) i * Drive.BLOCK_BYTES, Drive.BLOCK_BYTES);
      segment.set(INT, offset + HEADER_BYTES + (long) i * Integer.BYTES, crc);
    }
    return checksums.of(offset + HEADER_BYTES, tableBytes);
  }

  int type() {
    return segment.get(INT, offset + 4) >>> 16 & 0xFF;
  }

  int volume() {
    return segment.get(INT, offset + 40);
  }

  long block() {
    return segment.get(LONG, offset + 32);
  }

  int blockCount() {
    return segment.get(INT, offset + 44);
  }

  int recordBytes() {
    return segment.get(INT, offset + 48);
  }

  /** Tag of the peer's request that ends with this record; 0 for none. */
  int origin() {
    return segment.get(INT, offset + 52);
  }

  int checksum(int index) {
    return segment.get(INT, offset + HEADER_BYTES + (long) index * Integer.BYTES);
  }

  long payloadOffset() {
    return offset + payloadOffset(blockCount());
  }

  /**
   * Whether a whole record of this log and epoch is here, with this sequence.
   *
   * @param spaceBytes bytes from the record's begin to the ring's end
   */
  boolean isWhole(int pool, long arrayId, long epoch, long sequence, long spaceBytes) {
    return spaceBytes >= HEADER_BYTES
        && segment.get(INT, offset) == MAGIC
        && (segment.get(INT, offset + 4) & 0xFF00FFFF) == (VERSION | pool << 24)
        && segment.get(LONG, offset + 8) == arrayId
        && segment.get(LONG, offset + 16) == epoch
        && segment.get(LONG, offset + 24) == sequence
        && segment.get(INT, offset + 60) == checksums.of(offset, 60)
        && bodyIsWhole(spaceBytes);
  }

  /** Whether the head of a record of this log and epoch is here that comes after a sequence. */
  boolean isHeadAfter(int pool, long arrayId, long epoch, long sequence, long spaceBytes) {
    return spaceBytes >= HEADER_BYTES
        && segment.get(INT, offset) == MAGIC
        && (segment.get(INT, offset + 4) & 0xFF00FFFF) == (VERSION | pool << 24)
        && segment.get(LONG, offset + 8) == arrayId
        && segment.get(LONG, offset + 16) == epoch
        && segment.get(LONG, offset + 24) > sequence
        && segment.get(INT, offset + 60) == checksums.of(offset, 60);
  }

  private boolean bodyIsWhole(long spaceBytes) {
    int bytes = recordBytes();
    int count = blockCount();
    if (bytes < HEADER_BYTES || bytes > spaceBytes || (bytes & 63) != 0 || block() < 0) {
      return false;
    }
    return switch (type()) {
      case PAD -> bytes == spaceBytes;
      case ZERO -> count > 0 && bytes == HEADER_BYTES;
      case WRITE ->
          count > 0 && count <= MAX_BLOCKS && bytes == writeBytes(count) && blocksAreWhole(count);
      default -> false;
    };
  }

  private boolean blocksAreWhole(int blockCount) {
    int tableBytes = payloadOffset(blockCount) - HEADER_BYTES;
    boolean whole =
        segment.get(INT, offset + 56) == checksums.of(offset + HEADER_BYTES, tableBytes);
    long payload = offset + payloadOffset(blockCount);
    for (int i = 0; i < blockCount && whole; i++) {
      long at = payload + (long) i * Drive.BLOCK_BYTES;
      whole = checksum(i) == checksums.of(at, Drive.BLOCK_BYTES);
    }
    return whole;
  }
}
