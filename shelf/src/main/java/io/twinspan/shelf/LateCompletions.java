package io.twinspan.shelf;

import io.twinspan.concurrent.Clock;

/**
 * Commands of one drive that a fault keeps from completing: for a while, or until the client aborts
 * them, deletes their queue or resets. The agent thread's.
 */
final class LateCompletions {
  /** What {@link #nextDeadlineNs} returns when nothing is due at any time. */
  static final long NEVER = Long.MAX_VALUE;

  private final Clock clock;
  private final Deferral[] waiting = new Deferral[DeferralPool.CAPACITY];
  private final long[] dueNs = new long[DeferralPool.CAPACITY];
  private final int[] statuses = new int[DeferralPool.CAPACITY];
  private int count;

  LateCompletions(Clock clock) {
    this.clock = clock;
  }

  /**
   * Keeps a command back.
   *
   * @param deferral of the command, begun with one thing to wait for
   * @param status what it will complete with
   * @param delayNs how long, or {@link #NEVER}
   */
  void add(Deferral deferral, int status, long delayNs) {
    waiting[count] = deferral;
    statuses[count] = status;
    dueNs[count] = delayNs == NEVER ? NEVER : clock.nanoTime() + delayNs;
    count++;
  }

  /** Completes what is due; returns how much was done. */
  int poll(DeferralPool pool) {
    if (count == 0) {
      return 0;
    }
    long nowNs = clock.nanoTime();
    int kept = 0;
    int before = count;
    for (int i = 0; i < before; i++) {
      Deferral deferral = waiting[i];
      boolean due = dueNs[i] != NEVER && nowNs - dueNs[i] >= 0;
      if (due || deferral.isCancelled()) {
        deferral.end(statuses[i]);
        pool.release(deferral);
      } else {
        waiting[kept] = deferral;
        dueNs[kept] = dueNs[i];
        statuses[kept++] = statuses[i];
      }
    }
    count = kept;
    return before - kept;
  }

  /** When {@link #poll} has something to do. */
  long nextDeadlineNs() {
    long next = NEVER;
    for (int i = 0; i < count; i++) {
      next = Math.min(next, dueNs[i]);
    }
    return next;
  }
}
