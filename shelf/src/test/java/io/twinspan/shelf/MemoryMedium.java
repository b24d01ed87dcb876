package io.twinspan.shelf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A medium in memory whose next results can be chosen. */
final class MemoryMedium implements Medium {
  final MemorySegment bytes;
  int nextError;
  int flushes;
  int flushResult;

  /** What carries out reads and writes that begin on pages, if anything does. */
  @Nullable HeldTransfers held;

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
  public boolean canBegin(DataPointer data) {
    return held != null && data.offset(0) % 4096 == 0;
  }

  @Override
  public void begin(Transfer transfer) {
    if (held != null) {
      held.begin(transfer, bytes);
    }
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
