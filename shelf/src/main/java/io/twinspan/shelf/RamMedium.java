package io.twinspan.shelf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A namespace in this process's memory, lost with it; for measuring, and for tests. */
final class RamMedium implements Medium {
  private final Arena arena = Arena.ofShared();
  private final MemorySegment bytes;

  RamMedium(long sizeBytes) {
    bytes = arena.allocate(sizeBytes, 4096);
  }

  @Override
  public long sizeBytes() {
    return bytes.byteSize();
  }

  @Override
  public int read(long position, MemorySegment target, long offset, long lengthBytes) {
    MemorySegment.copy(bytes, position, target, offset, lengthBytes);
    return 0;
  }

  @Override
  public int write(long position, MemorySegment source, long offset, long lengthBytes) {
    MemorySegment.copy(source, offset, bytes, position, lengthBytes);
    return 0;
  }

  @Override
  public int zero(long position, long lengthBytes) {
    bytes.asSlice(position, lengthBytes).fill((byte) 0);
    return 0;
  }

  @Override
  public int flush() {
    return 0;
  }

  @Override
  public void close() {
    arena.close();
  }
}
