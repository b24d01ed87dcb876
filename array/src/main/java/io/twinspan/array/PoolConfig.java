package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.Pool;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One pool as a controller reaches it.
 *
 * @param index 0 or 1: the upper 8 bits of its volumes' ids, and its place in the mirror
 * @param name for people
 * @param home controller that owns it when both are well
 * @param pool the pool, CLOSED
 * @param drives the drives (the pool's own namespace on each), in the same order on both
 *     controllers: their reservations decide who owns the pool
 * @param log memory of the commit log: {@link ArrayConfig#logBytes()} bytes, 4096-byte aligned,
 *     that drives and link can reach
 */
public record PoolConfig(
    int index, String name, String home, Pool pool, List<Drive> drives, MemorySegment log) {
  /** Copies the list. */
  public PoolConfig {
    drives = List.copyOf(drives);
  }
}
