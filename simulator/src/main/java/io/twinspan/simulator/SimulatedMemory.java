package io.twinspan.simulator;

import io.twinspan.pool.Drive;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Memory of one simulated array. What it gives back is used by the next one: fresh memory costs
 * more than a whole course of faults. Not thread-safe.
 */
final class SimulatedMemory {
  private static final Map<Long, ArrayDeque<MemorySegment>> FREE = new HashMap<>();

  private final List<MemorySegment> taken = new ArrayList<>();

  /** Zeros, aligned to a block. */
  MemorySegment take(long bytes) {
    ArrayDeque<MemorySegment> free = FREE.get(bytes);
    MemorySegment memory = free == null ? null : free.poll();
    if (memory == null) {
      memory = Arena.ofAuto().allocate(bytes, Drive.BLOCK_BYTES);
    } else {
      memory.fill((byte) 0);
    }
    taken.add(memory);
    return memory;
  }

  /** Gives everything back; nobody may use it any more. */
  void giveBack() {
    for (MemorySegment memory : taken) {
      FREE.computeIfAbsent(memory.byteSize(), _ -> new ArrayDeque<>()).add(memory);
    }
    taken.clear();
  }
}
