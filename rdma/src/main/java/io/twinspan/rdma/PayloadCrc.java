package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;

/**
 * The CRC-32C of what a channel carries, if its plan wants one. By way of an array, because that
 * allocates nothing. One per channel; the link's thread only.
 */
final class PayloadCrc {
  private static final int SCRATCH_BYTES = 4096;

  private final CRC32C crc = new CRC32C();
  private final byte[] scratch = new byte[SCRATCH_BYTES];

  /** Begins with nothing. */
  PayloadCrc begin() {
    crc.reset();
    return this;
  }

  PayloadCrc add(MemorySegment from, long offset, long lengthBytes) {
    long end = offset + lengthBytes;
    for (long at = offset; at < end; at += SCRATCH_BYTES) {
      int count = (int) Math.min(SCRATCH_BYTES, end - at);
      MemorySegment.copy(from, JAVA_BYTE, at, scratch, 0, count);
      crc.update(scratch, 0, count);
    }
    return this;
  }

  PayloadCrc add(long value) {
    for (int i = 0; i < Long.BYTES; i++) {
      scratch[i] = (byte) (value >>> (i * Byte.SIZE));
    }
    crc.update(scratch, 0, Long.BYTES);
    return this;
  }

  int value() {
    return (int) crc.getValue();
  }
}
