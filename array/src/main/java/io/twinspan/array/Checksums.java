package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** CRC32C over ranges of one segment, without allocation. Single-threaded. */
final class Checksums {
  private final CRC32C crc = new CRC32C();
  private final ByteBuffer bytes;

  Checksums(MemorySegment segment) {
    bytes = segment.asByteBuffer();
  }

  int of(long offset, int lengthBytes) {
    int start = Math.toIntExact(offset);
    bytes.limit(start + lengthBytes).position(start);
    crc.reset();
    crc.update(bytes);
    return (int) crc.getValue();
  }
}
