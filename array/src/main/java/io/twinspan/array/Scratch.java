package io.twinspan.array;

import io.twinspan.pool.Drive;
import java.lang.foreign.MemorySegment;

/** Memory for requests that don't begin and end at block boundaries. Single-threaded. */
final class Scratch {
  static final int BUFFER_BYTES = LogRecord.MAX_BLOCKS * Drive.BLOCK_BYTES;

  private final MemorySegment memory;
  private final int[] free;
  private int freeCount;

  Scratch(MemorySegment memory) {
    this.memory = memory;
    freeCount = (int) (memory.byteSize() / BUFFER_BYTES);
    free = new int[freeCount];
    for (int i = 0; i < freeCount; i++) {
      free[i] = i;
    }
  }

  MemorySegment memory() {
    return memory;
  }

  /** A free buffer's number, or -1. */
  int acquire() {
    return freeCount == 0 ? -1 : free[--freeCount];
  }

  void release(int buffer) {
    free[freeCount++] = buffer;
  }

  long offset(int buffer) {
    return (long) buffer * BUFFER_BYTES;
  }
}
