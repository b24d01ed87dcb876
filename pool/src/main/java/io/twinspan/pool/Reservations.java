package io.twinspan.pool;

/**
 * Space that was granted to writes before they come, and the limits of a pool: blocks of data, and
 * blocks that the map may name, which a checkpoint has room for.
 *
 * <p>What clones share is in the map once, until one of them changes it; so changes can make the
 * map grow by more than the data, a leaf of 1024 blocks at a time.
 */
final class Reservations {
  private final OpenPool pool;

  /** Blocks granted to writes that have not allocated them yet. */
  private long reservedBlocks;

  /** Those of them whose WRITE has been submitted. */
  private long claimedBlocks;

  /** Blocks granted to writes that have not ended yet. */
  private long promisedBlocks;

  /** Blocks that these writes may add to the map by copying leaves; 0 when there are none. */
  private long promisedCopies;

  /** What sharing costs in a checkpoint: counted when a clone is made, less later. */
  private long sharedLeaves;

  Reservations(OpenPool pool) {
    this.pool = pool;
    countShared();
  }

  /** Counts leaves that volumes share. */
  void countShared() {
    sharedLeaves = 0;
    for (Volume volume : pool.volumes.all()) {
      sharedLeaves += volume.sharedLeafCount();
    }
  }

  /** Whether no write is to come or under way. */
  boolean isEmpty() {
    return promisedBlocks == 0;
  }

  /** Whether the map has room for a clone. */
  boolean hasRoomForClone(Volume source) {
    long live = pool.space.liveBlocks();
    return live <= pool.capacityBlocks()
        && pool.space.references() + sharedLeaves + source.leafCount() <= mostReferences();
  }

  /**
   * Limit of what the map may name. A checkpoint has room for every block of the pool, each a run
   * of its own; the rest is for ranges that are zeroed, whose copies nobody can refuse.
   */
  private long mostReferences() {
    return pool.layout.physicalBlocks() * 7L / 8;
  }

  Pool.Grant reserve(Volume volume, long block, int count) {
    int added = volume.unmapped(block, count, pool.space);
    long live = pool.space.liveBlocks();
    long capacity = pool.capacityBlocks();
    if (added > 0 && live + added > capacity) {
      return later();
    }
    int copies = volume.blocksToCopy(block, count);
    if (copies > 0 && !mapHasRoom(copies)) {
      return later();
    }
    boolean mayBeFull = added > 0 && live + promisedBlocks + added > capacity;
    if (!mayBeFull && pool.path.hasRoom(reservedBlocks, count)) {
      reservedBlocks += count;
      promisedBlocks += count;
      promisedCopies += copies;
      return Pool.Grant.GRANTED;
    }
    if (pool.space.pendingBlocks() > 0) {
      pool.flusher.request();
      return Pool.Grant.WAIT;
    }
    return promisedBlocks > 0 || pool.path.makesRoom() ? Pool.Grant.WAIT : later();
  }

  private boolean mapHasRoom(int copies) {
    long most = pool.space.references() + promisedBlocks + promisedCopies + copies;
    return most + sharedLeaves <= mostReferences();
  }

  /** No room; unless deleted volumes give some back. */
  private Pool.Grant later() {
    boolean counted = promisedCopies > 0 && promisedBlocks > 0;
    return pool.mayHaveDying() || counted ? Pool.Grant.WAIT : Pool.Grant.NO_SPACE;
  }

  void unreserve(int count) {
    if (count > reservedBlocks - claimedBlocks) {
      throw new IllegalArgumentException("more blocks than are reserved: " + count);
    }
    reservedBlocks -= count;
    ended(count);
  }

  /** A WRITE that was granted has come. */
  void claim(Operation operation, int count) {
    claimedBlocks += count;
    operation.reservedBlocks = count;
    operation.promisedBlocks = count;
  }

  /** Whether a WRITE of so many blocks was granted. */
  boolean covers(int count) {
    return count <= reservedBlocks - claimedBlocks;
  }

  /** The write has its blocks. */
  void allocated(Operation operation) {
    reservedBlocks -= operation.reservedBlocks;
    claimedBlocks -= operation.reservedBlocks;
    operation.reservedBlocks = 0;
  }

  /** The write has ended. */
  void settle(Operation operation) {
    allocated(operation);
    ended(operation.promisedBlocks);
    operation.promisedBlocks = 0;
  }

  private void ended(int count) {
    promisedBlocks -= count;
    promisedCopies = promisedBlocks == 0 ? 0 : promisedCopies;
  }
}
