package io.twinspan.controller;

import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.ReservationReport;
import io.twinspan.nvme.Status;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;

/**
 * One namespace of an NVMe drive, through this controller's private queue pair on it. For the
 * core's thread.
 */
final class NvmeDrive implements Drive {
  /** Hands completions of a queue pair to the requests they belong to. */
  static final CompletionHandler<DriveRequest> COMPLETIONS =
      new CompletionHandler<>() {
        @Override
        public void completed(DriveRequest request, int status) {
          if (status != Status.UNSETTLED) { // else the process ends, and its memory with it
            request.completed(status == Status.GONE ? GONE : status);
          }
        }

        /*
         * A drive that hangs may still write what it reads into the memory of a READ, which is kept
         * from everybody. What it does with other requests concerns only itself, and it is out of
         * the pool until it was reset.
         */
        @Override
        public boolean unsettled(DriveRequest request) {
          if (request.operation == DriveOperation.READ) {
            return false;
          }
          request.completed(GONE);
          return true;
        }

        @Override
        public void reported(DriveRequest request, ReservationReport report, int registrantCount) {
          copy(report, registrantCount, request);
          request.completed(OK);
        }
      };

  private final String name;
  private final QueuePair<DriveRequest> queue;
  private final int nsid;
  private final long blockCount;
  private final int maxTransferBlocks;

  /**
   * Creates the drive's face to the pool.
   *
   * @param blockCount size of the namespace in blocks of {@link Drive#BLOCK_BYTES}
   */
  NvmeDrive(
      String name,
      QueuePair<DriveRequest> queue,
      int nsid,
      long blockCount,
      int maxTransferBlocks) {
    this.name = name;
    this.queue = queue;
    this.nsid = nsid;
    this.blockCount = blockCount;
    this.maxTransferBlocks = maxTransferBlocks;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public long blockCount() {
    return blockCount;
  }

  @Override
  public int maxTransferBlocks() {
    return maxTransferBlocks;
  }

  @Override
  public boolean isPresent() {
    return queue.isAlive();
  }

  @Override
  public boolean submit(DriveRequest r) {
    int status =
        switch (r.operation) {
          case READ -> queue.read(nsid, r.block, r.blockCount, r.data, r.dataOffset, r);
          case WRITE -> queue.write(nsid, r.block, r.blockCount, r.data, r.dataOffset, r);
          case FLUSH -> queue.flush(nsid, r);
          case RESERVATION_REGISTER ->
              queue.reservationRegister(nsid, Reservation.REGISTER, false, 0, r.key, r);
          case RESERVATION_RENEW ->
              queue.reservationRegister(nsid, Reservation.REPLACE, false, r.key, r.key, r);
          case RESERVATION_UNREGISTER ->
              queue.reservationRegister(nsid, Reservation.UNREGISTER, false, r.key, 0, r);
          case RESERVATION_ACQUIRE -> acquire(r, Reservation.ACQUIRE, 0);
          case RESERVATION_PREEMPT -> acquire(r, Reservation.PREEMPT, r.otherKey);
          case RESERVATION_RELEASE ->
              queue.reservationRelease(
                  nsid, Reservation.RELEASE, Reservation.EXCLUSIVE_ACCESS, r.key, r);
          case RESERVATION_REPORT -> queue.reservationReport(nsid, r);
        };
    if (status == Status.BAD_ARGUMENT) {
      throw new IllegalStateException(
          name
              + ": "
              + r.operation
              + " of "
              + r.blockCount
              + " blocks at "
              + r.block
              + " with memory that the drive can't reach");
    }
    return status != Status.FULL;
  }

  private int acquire(DriveRequest r, int action, long otherKey) {
    return queue.reservationAcquire(nsid, action, Reservation.EXCLUSIVE_ACCESS, r.key, otherKey, r);
  }

  private static void copy(ReservationReport report, int count, DriveRequest request) {
    request.holder = 0;
    request.generation = report.generation() & 0xffff_ffffL;
    request.registrantCount = Math.min(count, request.registrants.length);
    for (int i = 0; i < count; i++) {
      long key = report.key(i);
      if (i < request.registrantCount) {
        request.registrants[i] = key;
      }
      if (report.isHolder(i)) {
        request.holder = key;
      }
    }
  }
}
