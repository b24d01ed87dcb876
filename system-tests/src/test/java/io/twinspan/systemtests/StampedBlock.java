package io.twinspan.systemtests;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * A 4 KiB block that says what it is: which volume and place it was written for, by whom, as which
 * version; the rest is made from these, and a CRC32C covers it all. So a block that is torn, at a
 * wrong place, or made up is known for it.
 */
final class StampedBlock {
  static final int BYTES = 4096;

  private static final long MAGIC = 0x5457_424c_4f43_4b31L; // TWBLOCK1
  private static final int VOLUME = 8;
  private static final int WRITER = 12;
  private static final int BLOCK = 16;
  private static final int VERSION = 24;
  private static final int FILL = 32;
  private static final int CRC = BYTES - 4;

  private StampedBlock() {}

  /** Writes a block into a buffer at its position, which moves on. */
  static void put(ByteBuffer into, int volume, int writer, long block, long version) {
    int at = into.position();
    into.putLong(at, MAGIC).putInt(at + VOLUME, volume).putInt(at + WRITER, writer);
    into.putLong(at + BLOCK, block).putLong(at + VERSION, version);
    long x = version * 0x9e37_79b9_7f4a_7c15L + block;
    for (int i = FILL; i < CRC - 4; i += 8) {
      x ^= x << 13;
      x ^= x >>> 7;
      x ^= x << 17;
      into.putLong(at + i, x);
    }
    into.putInt(at + CRC - 4, 0);
    into.putInt(at + CRC, crc(into, at));
    into.position(at + BYTES);
  }

  /**
   * Version of the block at a buffer's position, which moves on; 0 when it is all zeros, as never
   * written.
   *
   * @throws AssertionError when it is no whole block that was written for this place
   */
  static long version(ByteBuffer from, int volume, int writer, long block) {
    int at = from.position();
    from.position(at + BYTES);
    if (isZero(from, at)) {
      return 0;
    }
    String place = "volume " + volume + ", block " + block;
    if (from.getLong(at) != MAGIC || from.getInt(at + CRC) != crc(from, at)) {
      throw new AssertionError(
          place
              + " is torn or garbage: magic %x, says it is block %d version %d"
                  .formatted(
                      from.getLong(at), from.getLong(at + BLOCK), from.getLong(at + VERSION)));
    }
    if (from.getInt(at + VOLUME) != volume
        || from.getInt(at + WRITER) != writer
        || from.getLong(at + BLOCK) != block) {
      throw new AssertionError(
          place
              + " of writer "
              + writer
              + " holds what was written for volume %d, block %d by %d"
                  .formatted(
                      from.getInt(at + VOLUME),
                      from.getLong(at + BLOCK),
                      from.getInt(at + WRITER)));
    }
    return from.getLong(at + VERSION);
  }

  private static int crc(ByteBuffer buffer, int at) {
    CRC32C crc = new CRC32C();
    crc.update(buffer.duplicate().position(at).limit(at + CRC));
    return (int) crc.getValue();
  }

  private static boolean isZero(ByteBuffer buffer, int at) {
    for (int i = 0; i < BYTES; i += 8) {
      if (buffer.getLong(at + i) != 0) {
        return false;
      }
    }
    return true;
  }
}
