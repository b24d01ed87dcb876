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

  /** Sees to it that the operation has a buffer; false when none is free. */
  boolean lend(Operation operation) {
    if (operation.bounce < 0 && freeCount > 0) {
      operation.bounce = free[--freeCount];
    }
    return operation.bounce >= 0;
  }

  /** Takes the operation's buffer back, if it has one. */
  void takeBack(Operation operation) {
    if (operation.bounce >= 0) {
      free[freeCount++] = operation.bounce;
      operation.bounce = -1;
    }
  }

  long offset(int buffer) {
    return (long) buffer * BUFFER_BYTES;
  }
}
