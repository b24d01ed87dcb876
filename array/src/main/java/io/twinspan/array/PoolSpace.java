package io.twinspan.array;

import io.twinspan.pool.Pool;

/**
 * Room in the pool for writes before they are logged: what was acknowledged can always be destaged.
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
    Pool.Grant grant = pool.reserve(operation.volume, block, count);
    operation.reserved = grant == Pool.Grant.GRANTED ? count : 0;
    operation.reservedBlock = block;
    return grant;
  }

  /** Gives back what was set aside for an operation that will not be logged. */
  void unreserve(Operation operation) {
    int count = operation.reserved;
    operation.reserved = 0;
    if (count > 0 && pool.state() == Pool.State.OPEN) {
      pool.unreserve(operation.volume, operation.reservedBlock, count);
    }
  }
}
