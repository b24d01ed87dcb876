package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A fixed stock of buffers that drives and link can reach. Thread-safe, lock-free. */
public interface IoBuffers {
  /**
   * Takes a buffer.
   *
   * @param lengthBytes 1 to {@link HostRequest#MAX_BYTES}
   * @return a buffer of at least that size, 4096-byte aligned, content undefined; null when none is
   *     free: slow the host down
   */
  @Nullable MemorySegment acquire(int lengthBytes);

  /** Gives back a buffer got from {@link #acquire}: the very segment, once. */
  void release(MemorySegment buffer);
}
