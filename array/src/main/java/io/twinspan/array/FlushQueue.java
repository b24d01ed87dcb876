package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolOperation;
import io.twinspan.pool.PoolRequest;
import io.twinspan.pool.PoolStatus;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * Operations that are answered when everything up to their barrier is on the drives and flushed
 * there. One FLUSH of the pool serves all that are due. Single-threaded.
 */
final class FlushQueue {
  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);

  private final Pool pool;
  private final OperationQueue waiting = new OperationQueue();
  private final OperationQueue covered = new OperationQueue();
  private final Flush flush = new Flush();
  private final OperationQueue done;
  private boolean underWay;
  private boolean fenced;
  private long retryAtNs = Long.MIN_VALUE;
  private long nowNs;

  private final class Flush extends PoolRequest {
    @Override
    public void completed(PoolStatus status) {
      underWay = false;
      fenced |= status == PoolStatus.FENCED;
      if (status == PoolStatus.OK) {
        covered.moveTo(done);
      } else {
        covered.moveTo(waiting);
        retryAtNs = nowNs + RETRY_NS;
      }
    }
  }

  /**
   * A queue without operations.
   *
   * @param done where operations go when they are flushed
   */
  FlushQueue(Pool pool, OperationQueue done) {
    this.pool = pool;
    this.done = done;
    flush.operation = PoolOperation.FLUSH;
  }

  /** Waits until the tail that {@link #pump} is told has reached the barrier, then for a flush. */
  void add(Operation operation) {
    waiting.add(operation);
  }

  boolean isWaiting() {
    return !waiting.isEmpty();
  }

  boolean isUnderWay() {
    return underWay;
  }

  boolean isFenced() {
    return fenced;
  }

  long retryAtNs() {
    return waiting.isEmpty() || retryAtNs <= nowNs ? Long.MAX_VALUE : retryAtNs;
  }

  int pump(long time, long tail) {
    nowNs = time;
    if (underWay || waiting.isEmpty() || time < retryAtNs) {
      return 0;
    }
    for (int i = waiting.size(); i > 0; i--) {
      Operation operation = Objects.requireNonNull(waiting.poll());
      (operation.barrier <= tail ? covered : waiting).add(operation);
    }
    if (covered.isEmpty()) {
      return 0;
    }
    underWay = pool.submit(flush);
    if (!underWay) {
      covered.moveTo(waiting);
    }
    return underWay ? 1 : 0;
  }

  /** Takes out what waits; nothing may be under way. */
  void drop(OperationQueue dropped) {
    waiting.moveTo(dropped);
  }

  /** Begins anew. */
  void reset() {
    fenced = false;
    retryAtNs = Long.MIN_VALUE;
  }
}
