package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * CRC32C of pieces of memory segments without allocation per call: remembers the buffer views of
 * the last few segments. One thread.
 */
final class Checksums {
  /** CRC32C of a block of zeros. */
  static final int ZERO_BLOCK = 0x98f94189;

  private static final int VIEWS = 8;

  private final CRC32C crc = new CRC32C();
  private final MemorySegment[] segments = new MemorySegment[VIEWS];
  private final ByteBuffer[] views = new ByteBuffer[VIEWS];
  private int next;

  int of(MemorySegment segment, long offset, int lengthBytes) {
    ByteBuffer view = view(segment, offset, lengthBytes);
    crc.reset();
    crc.update(view);
    return (int) crc.getValue();
  }

  // The view must be of this very segment: an equal one may belong to an arena that is closed.
  @SuppressWarnings("MemorySegmentReferenceEquality")
  private ByteBuffer view(MemorySegment segment, long offset, int lengthBytes) {
    if (segment.byteSize() > Integer.MAX_VALUE) {
      return segment.asSlice(offset, lengthBytes).asByteBuffer();
    }
    for (int i = 0; i < VIEWS; i++) {
      if (segments[i] == segment) {
        return views[i].clear().position((int) offset).limit((int) offset + lengthBytes);
      }
    }
    segments[next] = segment;
    views[next] = segment.asByteBuffer();
    ByteBuffer view = views[next];
    next = (next + 1) % VIEWS;
    return view.position((int) offset).limit((int) offset + lengthBytes);
  }
}
