package io.twinspan.array;

import io.twinspan.pool.PoolStatus;

/** Told once, on the agent thread, how a handover has ended. */
@FunctionalInterface
public interface HandoverCompletion {
  /** Nobody waits for it. */
  HandoverCompletion NONE = (_, _) -> {};

  /**
   * The handover has ended.
   *
   * @param status OK when the peer serves the pool, CLOSED when this controller has kept it or
   *     taken it back, INVALID when it does not own the pool, or not in step with the peer
   * @param waitedNs how long new requests of hosts waited, after OK; else 0
   */
  void completed(PoolStatus status, long waitedNs);
}
