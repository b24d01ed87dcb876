package io.twinspan.pool;

/** Receives the end of a control operation of a {@link Pool}, on the agent thread. */
@FunctionalInterface
public interface PoolCompletion {
  /** Called exactly once, never from within the call that started the operation. */
  void completed(PoolStatus status);
}
