package io.twinspan.array;

/** Hears what changes in an {@link ArrayNode}; called on the agent thread, must not block. */
public interface ArrayListener {
  /** A listener that does nothing. */
  ArrayListener NONE = new ArrayListener() {};

  /**
   * This controller's part in a pool has changed.
   *
   * @param pool index of the pool
   * @param state the new state
   */
  default void ownershipChanged(int pool, PoolState state) {}

  /**
   * A takeover did not find all of the log that was needed: what was acknowledged since the last
   * flush may be lost.
   *
   * @param pool index of the pool
   */
  default void writesLost(int pool) {}

  /** {@link ArrayNode#volumes()} has changed. */
  default void volumesChanged() {}
}
