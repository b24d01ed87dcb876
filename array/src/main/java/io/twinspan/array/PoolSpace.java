package io.twinspan.array;

import io.twinspan.pool.Pool;

/**
 * Room in the pool for writes before they are logged: what was acknowledged can always be destaged.
 * A write of more blocks than the pool takes at a time reserves twice, as it will be destaged.
 * Single-threaded.
 */
final class PoolSpace {
  private final Pool pool;

  PoolSpace(Pool pool) {
    this.pool = pool;
  }

  /** Sets room aside for the operation, unless it has it already. */
  Pool.Grant reserve(Operation operation, long block, int count) {
    if (operation.reserved > 0) {
      return Pool.Grant.GRANTED;
    }
    int first = Math.min(count, Pool.MAX_IO_BLOCKS);
    Pool.Grant grant = pool.reserve(operation.volume, block, first);
    if (grant == Pool.Grant.GRANTED && count > first) {
      grant = pool.reserve(operation.volume, block + first, count - first);
      if (grant != Pool.Grant.GRANTED) {
        pool.unreserve(operation.volume, block, first);
      }
    }
    operation.reserved = grant == Pool.Grant.GRANTED ? count : 0;
    operation.reservedBlock = block;
    return grant;
  }

  /** Gives back what was set aside for an operation that will not be logged. */
  void unreserve(Operation operation) {
    int first = Math.min(operation.reserved, Pool.MAX_IO_BLOCKS);
    int rest = operation.reserved - first;
    operation.reserved = 0;
    if (first > 0 && pool.state() == Pool.State.OPEN) {
      pool.unreserve(operation.volume, operation.reservedBlock, first);
      if (rest > 0) {
        pool.unreserve(operation.volume, operation.reservedBlock + first, rest);
      }
    }
  }
}
