package io.twinspan.shelf;

import java.lang.foreign.MemorySegment;

/**
 * A namespace that forgets what is written, and leaves the client's memory as it is when it is
 * read: what a drive costs without its medium.
 *
 * @param sizeBytes size in bytes
 */
record NullMedium(long sizeBytes) implements Medium {
  @Override
  public int read(long position, MemorySegment target, long offset, long lengthBytes) {
    return 0;
  }

  @Override
  public int write(long position, MemorySegment source, long offset, long lengthBytes) {
    return 0;
  }

  @Override
  public int zero(long position, long lengthBytes) {
    return 0;
  }

  @Override
  public int flush() {
    return 0;
  }

  @Override
  public void close() {}
}
