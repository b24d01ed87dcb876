package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/**
 * A request to a {@link Drive}: a reusable, mutable carrier, so that the data path allocates
 * nothing. Not thread-safe. The submitter owns it except between {@link Drive#submit} and {@link
 * #completed}.
 */
public abstract class DriveRequest {
  /** What to do. */
  public DriveOperation operation = DriveOperation.READ;

  /** First block. */
  public long block;

  /** Number of blocks, 1 to {@link Drive#maxTransferBlocks()}. */
  public int blockCount;

  /**
   * Where the data is or goes to: {@code blockCount * BLOCK_BYTES} bytes from {@code dataOffset},
   * at a multiple of 64 bytes, in memory that the drive can reach (what the pool was given for it).
   */
  public MemorySegment data = MemorySegment.NULL;

  /** Offset into {@link #data} in bytes. */
  public long dataOffset;

  /** Own reservation key. */
  public long key;

  /** The key to be preempted. */
  public long otherKey;

  /** RESERVATION_REPORT: key of the holder, 0 when the namespace is not reserved. */
  public long holder;

  /** RESERVATION_REPORT: the registered keys; more than fit are left out. */
  public final long[] registrants = new long[8];

  /**
   * RESERVATION_REPORT: a counter of 32 bits, without a sign, that every registration, renewal and
   * preemption changes.
   */
  public long generation;

  /** RESERVATION_REPORT: number of registered keys. */
  public int registrantCount;

  /** For subclasses. */
  protected DriveRequest() {}

  /**
   * Called once per successful {@link Drive#submit}, on the agent thread, never from within submit.
   *
   * @param status a status as {@link Drive} says
   */
  public abstract void completed(int status);
}
