package io.twinspan.pool;

/**
 * One namespace of one drive, as a pool and the failover rules see it.
 *
 * <p>Single-threaded: every call is made on the agent thread that owns the pool, and every
 * completion is delivered on that thread, never from within {@link #submit}. Statuses are NVMe
 * status codes kept verbatim ({@code SCT << 8 | SC}, NVM Express 1.4, section 4.6.1); negative
 * values are this library's own.
 */
public interface Drive {
  /** Size of a logical block in bytes. */
  int BLOCK_BYTES = 4096;

  /** Status of a request that did what it was asked to. */
  int OK = 0;

  /** NVMe "Command Abort Requested", generic status 07h: it took too long, and was aborted. */
  int ABORTED = 0x007;

  /** NVMe "LBA Out of Range", generic status 80h. */
  int LBA_OUT_OF_RANGE = 0x080;

  /** NVMe "Capacity Exceeded", generic status 81h: the medium behind a thin drive is full. */
  int CAPACITY_EXCEEDED = 0x081;

  /** NVMe "Reservation Conflict", generic status 83h: somebody else has fenced this controller. */
  int RESERVATION_CONFLICT = 0x083;

  /** The drive's controller is gone or failed: no answer is to be expected of it. */
  int GONE = -1;

  /** Name for people and logs, such as {@code drive0}. */
  String name();

  /** Number of blocks of {@link #BLOCK_BYTES} bytes. */
  long blockCount();

  /** Most blocks that one READ or WRITE may carry. */
  int maxTransferBlocks();

  /** Whether the drive answers. Once false it stays false. */
  boolean isPresent();

  /**
   * Queues a request. The request, and the memory it names, belong to the drive until its
   * completion is called.
   *
   * @return false when there is no room now: nothing was queued; try again after some completion
   */
  boolean submit(DriveRequest request);
}
