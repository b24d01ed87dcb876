package io.twinspan.pool;

/** Carries out writes: fresh blocks, both copies, then the journal. */
final class Writer implements Operation.Path {
  private final OpenPool pool;

  Writer(OpenPool pool) {
    this.pool = pool;
  }

  void start(Operation operation) {
    int count = (int) operation.blockCount;
    operation.path = this;
    operation.runCount = 0;
    for (int index = 0; index < count; ) {
      int most = Math.min(count - index, pool.drives.maxTransferBlocks());
      int physical = pool.space.allocate(most);
      if (physical < 0) {
        giveBack(operation);
        return;
      }
      operation.addRun(index, physical, pool.space.runLength(), 0);
      index += pool.space.runLength();
    }
    pool.reservations.allocated(operation);
    for (int run = 0; run < operation.runCount; run++) {
      write(operation, run, 0);
      write(operation, run, 1);
    }
    if (operation.pendingIos == 0) {
      giveBack(operation);
    }
  }

  private void write(Operation operation, int run, int copy) {
    int physical = operation.runPhysical[run];
    int drive = pool.layout.drive(physical, copy);
    if (pool.drives.isLive(drive)) {
      PoolRequest request = operation.request();
      long offset = request.dataOffset + (long) operation.runIndex[run] * Drive.BLOCK_BYTES;
      long block = pool.layout.driveBlock(physical, copy);
      int count = operation.runLength[run];
      operation.pendingIos +=
          pool.drives.write(drive, block, count, request.data, offset, operation, run);
    }
  }

  @Override
  public void ioDone(Operation operation, DriveIo io, int status) {
    if (status == Drive.OK) {
      operation.runCopy[io.tag]++;
    } else if (status == Drive.CAPACITY_EXCEEDED) {
      operation.status = PoolStatus.NO_SPACE;
    }
    if (operation.pendingIos > 0 || pool.endIfHalted(operation)) {
      return;
    }
    if (operation.status == PoolStatus.NO_SPACE) {
      giveBack(operation);
    } else if (everyRunHasACopy(operation)) {
      pool.journal.add(operation);
    } else {
      // Both drives of a run failed under it. Others are left: each try costs a drive, so this
      // ends.
      release(operation);
      start(operation);
    }
  }

  private static boolean everyRunHasACopy(Operation operation) {
    for (int run = 0; run < operation.runCount; run++) {
      if (operation.runCopy[run] == 0) {
        return false;
      }
    }
    return true;
  }

  private void giveBack(Operation operation) {
    release(operation);
    pool.finish(operation, PoolStatus.NO_SPACE);
  }

  private void release(Operation operation) {
    for (int run = 0; run < operation.runCount; run++) {
      pool.space.release(operation.runPhysical[run], operation.runLength[run]);
    }
    operation.runCount = 0;
  }
}
