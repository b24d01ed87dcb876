package io.twinspan.simulator;

import io.twinspan.pool.Drive;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Memory of one simulated array and its hosts. What it gives back is used by the next one: fresh
 * memory costs more than a whole course of faults. An instance belongs to one thread.
 */
final class SimulatedMemory {
  private static final Map<Long, Queue<MemorySegment>> FREE = new ConcurrentHashMap<>();

  private final List<MemorySegment> taken = new ArrayList<>();

  /** Zeros, aligned to a block. */
  MemorySegment take(long bytes) {
    Queue<MemorySegment> free = FREE.get(bytes);
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
      FREE.computeIfAbsent(memory.byteSize(), _ -> new ConcurrentLinkedQueue<>()).add(memory);
    }
    taken.clear();
  }
}
