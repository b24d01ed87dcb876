package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/**
 * The drives of a pool as {@link PoolCheck} sees them: read only, one namespace each, in the pool's
 * order. Blocking, for one thread.
 */
public interface PoolImages {
  /** Number of drives that the pool was made with. */
  int count();

  /** Name of a drive for people, such as {@code disk-0}. */
  String name(int drive);

  /** Blocks of {@link Drive#BLOCK_BYTES} bytes that a drive has; 0 when there is none. */
  long blockCount(int drive);

  /**
   * Reads blocks.
   *
   * @return false when they could not be read; the memory may hold anything then
   */
  boolean read(int drive, long block, int count, MemorySegment to, long offset);
}
