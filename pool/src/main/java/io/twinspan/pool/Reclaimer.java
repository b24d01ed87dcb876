package io.twinspan.pool;

/**
 * Gives back what deleted volumes hold, a bounded number of blocks at a time, in the background: a
 * change of the map is carried out in one go when its batch is on the drives, and a large one would
 * hold up all others.
 */
final class Reclaimer implements PoolCompletion {
  private final OpenPool pool;
  private final Operation operation;

  /** Most blocks given back in one step. */
  private final int stepBlocks;

  private boolean busy;
  private boolean paused;

  Reclaimer(OpenPool pool) {
    this.pool = pool;
    this.operation = new Operation(pool);
    this.stepBlocks = pool.layout.segmentBlocks() * 64;
  }

  /** Whether a volume is small enough to be deleted in one go. */
  boolean isSmall(Volume volume) {
    return volume.mappedBlocks() <= stepBlocks && volume.leafCount() <= stepBlocks;
  }

  /** Whether space will come free. */
  boolean isBusy() {
    return busy || pool.volumes.anyDying() != null;
  }

  /** Begins nothing any more: the pool closes. */
  void pause() {
    paused = true;
  }

  int work() {
    boolean opened = pool.epoch() != 0; // before that no batch may be written
    if (busy || paused || !opened || pool.isHalted() || !pool.mayHaveDying()) {
      return 0;
    }
    Volume volume = pool.volumes.anyDying();
    if (volume == null) {
      pool.noneDying();
      return 0;
    }
    begin(volume);
    return 1;
  }

  private void begin(Volume volume) {
    busy = true;
    long mapped = Math.max(0, volume.nextMapped(0));
    long first = volume.isShared(mapped) ? mapped & -Volume.LEAF_BLOCKS : mapped;
    long count = Math.min(volume.sizeBlocks() - first, blocksToStep(volume, first));
    operation.begin(Operation.Kind.RECLAIM, volume.id, first, count);
    operation.completion = this;
    operation.last = volume.nextMapped(first + count) < 0;
    pool.add(operation);
  }

  /** A stretch of the volume that holds no more than a step's blocks. */
  private long blocksToStep(Volume volume, long first) {
    long block = first;
    int held = 0;
    int leaves = 0;
    while (held < stepBlocks && leaves < stepBlocks) {
      long next = volume.nextMapped(block);
      if (next < 0) {
        break;
      }
      if (volume.isShared(next)) { // as a whole: it is only let go of
        leaves++;
        block = (next / Volume.LEAF_BLOCKS + 1) * Volume.LEAF_BLOCKS;
      } else {
        int length = volume.runLength(next, stepBlocks - held);
        held += length;
        block = next + length;
      }
    }
    return Math.max(1, block - first);
  }

  @Override
  public void completed(PoolStatus status) {
    busy = false;
  }
}
