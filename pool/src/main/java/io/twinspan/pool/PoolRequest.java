package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/**
 * A data request to a {@link Pool}: a reusable, mutable carrier. Not thread-safe. The submitter
 * owns it except between {@link Pool#submit} and {@link #completed}.
 */
public abstract class PoolRequest {
  /** What to do. */
  public PoolOperation operation = PoolOperation.READ;

  /** Volume id. */
  public int volume;

  /** First block of the volume, in units of {@link Drive#BLOCK_BYTES}. */
  public long block;

  /** Number of blocks: 1 to {@link Pool#MAX_IO_BLOCKS} for READ and WRITE, any for ZERO. */
  public int blockCount;

  /**
   * Data of a READ or WRITE, from {@link #dataOffset}, 64-byte aligned, in memory that the drives
   * reach.
   */
  public MemorySegment data = MemorySegment.NULL;

  /** Offset into {@link #data} in bytes. */
  public long dataOffset;

  /**
   * CRC32C of each block, in order: given for a WRITE, filled in by a READ (0x98f94189, the
   * checksum of 4096 zero bytes, where nothing is mapped).
   */
  public final int[] checksums = new int[Pool.MAX_IO_BLOCKS];

  /** For subclasses. */
  protected PoolRequest() {}

  /**
   * Called once per accepted request, on the agent thread, never from within {@link Pool#submit}.
   */
  public abstract void completed(PoolStatus status);
}
