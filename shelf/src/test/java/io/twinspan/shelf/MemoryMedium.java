package io.twinspan.shelf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A medium in memory whose next results can be chosen. */
final class MemoryMedium implements Medium {
  final MemorySegment bytes;
  int nextError;
  int flushes;
  int flushResult;

  MemoryMedium(long sizeBytes) {
    bytes = Arena.ofAuto().allocate(sizeBytes, 4096);
  }

  @Override
  public long sizeBytes() {
    return bytes.byteSize();
  }

  @Override
  public int read(long position, MemorySegment target, long offset, long lengthBytes) {
    MemorySegment.copy(bytes, position, target, offset, lengthBytes);
    return takeError();
  }

  @Override
  public int write(long position, MemorySegment source, long offset, long lengthBytes) {
    int error = takeError();
    if (error == 0) {
      MemorySegment.copy(source, offset, bytes, position, lengthBytes);
    }
    return error;
  }

  @Override
  public int zero(long position, long lengthBytes) {
    bytes.asSlice(position, lengthBytes).fill((byte) 0);
    return takeError();
  }

  @Override
  public int flush() {
    flushes++;
    return flushResult;
  }

  @Override
  public void close() {}

  private int takeError() {
    int error = nextError;
    nextError = 0;
    return error;
  }
}
