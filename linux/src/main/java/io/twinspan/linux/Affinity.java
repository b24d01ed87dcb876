package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Which processors a thread may run on. Any thread may make these calls, about itself. */
public final class Affinity {
  private static final int MASK_BYTES = 128; // cpu_set_t: 1024 processors
  private static final int CPUS = MASK_BYTES * Byte.SIZE;

  private Affinity() {}

  /** The numbers of the processors the calling thread may run on, ascending. */
  public static List<Integer> allowed() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
      ErrnoException.check(
          Native.sched_getaffinity(0, MASK_BYTES, mask), "sched_getaffinity of this thread");
      List<Integer> cpus = new ArrayList<>();
      for (int cpu = 0; cpu < CPUS; cpu++) {
        if ((mask.getAtIndex(JAVA_LONG, cpu / Long.SIZE) >>> cpu % Long.SIZE & 1) != 0) {
          cpus.add(cpu);
        }
      }
      return cpus;
    }
  }

  /**
   * Keeps the calling thread on one processor. Threads of the process that exist stay where they
   * are; a platform thread that it starts later inherits this.
   *
   * @param cpu its number, less than 1024
   * @throws ErrnoException with {@code EINVAL} if there is no such processor for this process
   */
  public static void pin(int cpu) {
    if (cpu < 0 || cpu >= CPUS) {
      throw new IllegalArgumentException("processor " + cpu);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
      mask.setAtIndex(JAVA_LONG, cpu / Long.SIZE, 1L << cpu % Long.SIZE);
      ErrnoException.check(
          Native.sched_setaffinity(0, MASK_BYTES, mask), "sched_setaffinity to processor " + cpu);
    }
  }
}
