package io.twinspan.pool;

/** Two copies of every block: fresh blocks, both copies, then the journal. */
final class MirrorPath implements DataPath, Operation.Path {
  private final OpenPool pool;

  MirrorPath(OpenPool pool) {
    this.pool = pool;
  }

  @Override
  public void write(Operation operation) {
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
      writeCopy(operation, run, 0);
      writeCopy(operation, run, 1);
    }
    if (operation.pendingIos == 0) {
      giveBack(operation);
    }
  }

  private void writeCopy(Operation operation, int run, int copy) {
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
      operation.releaseRuns(pool.space);
      write(operation);
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
    operation.releaseRuns(pool.space);
    pool.finish(operation, PoolStatus.NO_SPACE);
  }

  // ---- reads ----

  /** Spreads reads over both copies; one that may not be there yet is used last. */
  @Override
  public int firstCopy(Operation operation, int physical) {
    int copy = (int) operation.order & 1;
    int drive = pool.layout.drive(physical, copy);
    int other = pool.layout.drive(physical, 1 - copy);
    boolean holds = pool.drives.isLive(drive) && !pool.isRebuilding(drive);
    boolean otherMay = pool.drives.isLive(other) && !pool.isRebuilding(other);
    return holds || (!otherMay && pool.drives.isLive(drive)) ? copy : 1 - copy;
  }

  @Override
  public void readAgain(Operation operation) {
    for (int rest = operation.badBlocks; rest != 0; rest &= rest - 1) {
      int index = Integer.numberOfTrailingZeros(rest);
      int physical = Reader.physical(operation, index);
      int copy = 1 - operation.runCopy[Reader.runOf(operation, index)];
      int drive = pool.layout.drive(physical, copy);
      if (pool.drives.isLive(drive)) {
        long block = pool.layout.driveBlock(physical, copy);
        long offset = Reader.offset(operation, index);
        operation.pendingIos +=
            pool.drives.read(drive, block, 1, operation.request().data, offset, operation, index);
      }
    }
  }

  // ---- drives and space ----

  @Override
  public void drivesChanged() {
    for (int chunk = 0; chunk < pool.layout.chunks(); chunk++) {
      int first = chunk * pool.layout.chunkBlocks();
      int copies = pool.drives.isLive(pool.layout.drive(first, 0)) ? 1 : 0;
      copies += pool.drives.isLive(pool.layout.drive(first, 1)) ? 1 : 0;
      pool.space.copiesLeft(chunk, copies);
    }
  }

  @Override
  public boolean isDispensable(int drive) {
    int drives = pool.drives.count();
    for (int neighbour : new int[] {(drive + 1) % drives, (drive + drives - 1) % drives}) {
      if (!pool.drives.isLive(neighbour) || pool.isRebuilding(neighbour)) {
        return false; // it may hold the only copy of what they share
      }
    }
    return true;
  }

  @Override
  public boolean isBroken() {
    return false; // chunks with a copy left go on
  }

  @Override
  public boolean hasRoom(long grantedBlocks, int count) {
    return pool.space.freeBlocks() - grantedBlocks >= count;
  }

  @Override
  public boolean makesRoom() {
    return false;
  }

  @Override
  public Sweep sweep(Sweeper sweeper) {
    return new MirrorSweep(pool, sweeper);
  }

  @Override
  public void pause() {}

  @Override
  public long movedBlocks() {
    return 0;
  }

  @Override
  public void journaling(Operation operation, MetadataPage page) {
    throw new IllegalStateException("nothing is moved in a mirror");
  }

  @Override
  public void journaled(Operation operation) {
    throw new IllegalStateException("nothing is moved in a mirror");
  }

  @Override
  public int work() {
    return 0;
  }
}
