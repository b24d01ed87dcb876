package io.twinspan.pool;

/**
 * Carries out reads. Every block is compared with the checksum in the map. Blocks that are wrong,
 * or could not be read, are got from the other copy or the rest of the stripe; what is right there
 * is returned, and written over the bad place before the read ends, so that nothing else can have
 * moved there.
 */
final class Reader implements Operation.Path {
  private static final int FIRST_COPY = 0;
  private static final int AGAIN = 1;
  private static final int REPAIR = 2;

  private final OpenPool pool;

  Reader(OpenPool pool) {
    this.pool = pool;
  }

  void start(Operation operation, Volume volume) {
    PoolRequest request = operation.request();
    int count = (int) operation.blockCount;
    operation.path = this;
    operation.phase = FIRST_COPY;
    operation.badBlocks = 0;
    operation.recoveredBlocks = 0;
    for (int index = 0; index < count; ) {
      long block = operation.block + index;
      int physical = volume.physical(block);
      if (physical < 0) {
        zero(request, index);
        request.checksums[index++] = Checksums.ZERO_BLOCK;
      } else {
        int length = runLength(volume, block, physical, count - index);
        for (int i = 0; i < length; i++) {
          request.checksums[index + i] = volume.checksum(block + i);
        }
        operation.addRun(index, physical, length, pool.path.firstCopy(operation, physical));
        index += length;
      }
    }
    for (int run = 0; run < operation.runCount; run++) {
      readFirst(operation, run);
    }
    if (operation.pendingIos == 0) {
      next(operation);
    }
  }

  private int runLength(Volume volume, long block, int physical, int most) {
    int inChunk = pool.layout.chunkBlocks() - physical % pool.layout.chunkBlocks();
    int end = Math.min(Math.min(most, inChunk), pool.drives.maxTransferBlocks());
    int length = 1;
    while (length < end && volume.physical(block + length) == physical + length) {
      length++;
    }
    return length;
  }

  private void readFirst(Operation operation, int run) {
    int physical = operation.runPhysical[run];
    int copy = operation.runCopy[run];
    int drive = pool.layout.drive(physical, copy);
    int index = operation.runIndex[run];
    int count = operation.runLength[run];
    if (pool.drives.isLive(drive)) {
      PoolRequest request = operation.request();
      long offset = request.dataOffset + (long) index * Drive.BLOCK_BYTES;
      long block = pool.layout.driveBlock(physical, copy);
      operation.pendingIos +=
          pool.drives.read(drive, block, count, request.data, offset, operation, run);
    } else {
      operation.badBlocks |= bits(index, count);
    }
  }

  private static int bits(int index, int count) {
    return (int) ((1L << count) - 1) << index;
  }

  @Override
  public void ioDone(Operation operation, DriveIo io, int status) {
    if (status == Drive.OK) {
      switch (operation.phase) {
        case FIRST_COPY -> verify(operation, operation.runIndex[io.tag], io.blockCount, io.drive);
        case AGAIN -> {
          if (isRight(operation, io.tag, io.drive)) {
            operation.recoveredBlocks |= 1 << io.tag;
          }
        }
        default -> {}
      }
    } else if (operation.phase == FIRST_COPY) {
      operation.badBlocks |= bits(operation.runIndex[io.tag], io.blockCount);
    }
    if (operation.pendingIos == 0 && !pool.endIfFenced(operation)) {
      next(operation);
    }
  }

  private void verify(Operation operation, int index, int count, int drive) {
    for (int i = index; i < index + count; i++) {
      if (!isRight(operation, i, drive)) {
        operation.badBlocks |= 1 << i;
      }
    }
  }

  private boolean isRight(Operation operation, int index, int drive) {
    PoolRequest request = operation.request();
    long offset = request.dataOffset + (long) index * Drive.BLOCK_BYTES;
    int found = pool.checksums.of(request.data, offset, Drive.BLOCK_BYTES);
    boolean right = found == request.checksums[index];
    if (!right && !pool.isRebuilding(drive)) {
      pool.root.checksumErrors++;
    }
    return right;
  }

  private void next(Operation operation) {
    if (operation.phase == FIRST_COPY) {
      operation.phase = AGAIN;
      pool.path.readAgain(operation);
    }
    if (operation.phase == AGAIN && operation.pendingIos == 0) {
      operation.phase = REPAIR;
      repair(operation);
    }
    if (operation.phase == REPAIR && operation.pendingIos == 0) {
      int lost = operation.badBlocks & ~operation.recoveredBlocks;
      for (int i = 0; i < operation.blockCount; i++) {
        if ((lost & 1 << i) != 0) {
          zero(operation.request(), i);
        }
      }
      pool.finish(operation, lost == 0 ? PoolStatus.OK : PoolStatus.MEDIA_ERROR);
    }
  }

  /** Writes blocks that were got in another way to where they should have been found. */
  private void repair(Operation operation) {
    for (int rest = operation.recoveredBlocks; rest != 0; rest &= rest - 1) {
      int index = Integer.numberOfTrailingZeros(rest);
      int physical = physical(operation, index);
      int copy = operation.runCopy[runOf(operation, index)];
      int drive = pool.layout.drive(physical, copy);
      if (pool.drives.isLive(drive)) {
        long block = pool.layout.driveBlock(physical, copy);
        long offset = offset(operation, index);
        operation.pendingIos +=
            pool.drives.write(drive, block, 1, operation.request().data, offset, operation, index);
      }
    }
  }

  @Override
  public void recovered(Operation operation, int index, boolean right) {
    operation.recoveredBlocks |= right ? 1 << index : 0;
    if (operation.pendingIos == 0 && !pool.endIfFenced(operation)) {
      next(operation);
    }
  }

  /** Where a block of a read lies. */
  static int physical(Operation operation, int index) {
    int run = runOf(operation, index);
    return operation.runPhysical[run] + index - operation.runIndex[run];
  }

  /** Where a block of a read goes to in the request's memory. */
  static long offset(Operation operation, int index) {
    return operation.request().dataOffset + (long) index * Drive.BLOCK_BYTES;
  }

  /** The run that a block of a read is in. */
  static int runOf(Operation operation, int index) {
    int run = 0;
    while (index >= operation.runIndex[run] + operation.runLength[run]) {
      run++;
    }
    return run;
  }

  private static void zero(PoolRequest request, int index) {
    long offset = request.dataOffset + (long) index * Drive.BLOCK_BYTES;
    request.data.asSlice(offset, Drive.BLOCK_BYTES).fill((byte) 0);
  }
}
