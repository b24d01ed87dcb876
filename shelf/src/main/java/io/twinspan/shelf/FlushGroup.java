package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import java.util.concurrent.Executor;
import java.util.function.IntSupplier;

/**
 * Flushes one medium on another thread, one flush at a time, each for all who asked before it
 * began.
 *
 * <p>The drive's agent thread calls every method; the executor's thread only flushes, publishes the
 * outcome and wakes the agent.
 */
final class FlushGroup {
  private static final int IDLE = 1;
  private static final int RUNNING = 2;

  private final Executor executor;
  private final Runnable task;
  private Deferral[] waiting;
  private Deferral[] running;
  private int waitingCount;
  private int runningCount;

  /** Whether anything was written since the last flush began; at first nobody knows. */
  private boolean dirty = true;

  /** {@link #IDLE}, {@link #RUNNING}, or the result of a flush that has just ended (0 or below). */
  private volatile int outcome = IDLE;

  /**
   * A group for one medium, or for another thing that must become stable.
   *
   * @param flush waits until all is stable; returns 0 or a negative {@link Errno}
   * @param capacity how many may wait at a time
   * @param executor where flushes run
   * @param wake makes the agent call {@link #poll}
   */
  FlushGroup(IntSupplier flush, int capacity, Executor executor, Runnable wake) {
    this.executor = executor;
    waiting = new Deferral[capacity];
    running = new Deferral[capacity];
    task =
        () -> {
          int result = -Errno.EIO;
          try {
            result = Math.min(0, flush.getAsInt());
          } finally {
            outcome = result;
            wake.run();
          }
        };
  }

  /** Says that the medium was written to. */
  void written() {
    dirty = true;
  }

  /** Whether there is nothing that a flush could make stable. */
  boolean clean() {
    return !dirty && outcome == IDLE;
  }

  /** Waits for a flush that begins after this call. */
  void add(Deferral deferral) {
    waiting[waitingCount++] = deferral;
  }

  /**
   * Takes the outcome of a flush and begins the next one if somebody waits.
   *
   * @param pool where deferrals go that wait for nothing any more
   * @return how much was done
   */
  int poll(DeferralPool pool) {
    int work = 0;
    int result = outcome;
    if (result <= 0) {
      dirty |= result != 0;
      outcome = IDLE;
      for (int i = 0; i < runningCount; i++) {
        if (running[i].flushed(result)) {
          pool.release(running[i]);
        }
      }
      work = 1 + runningCount;
      runningCount = 0;
    }
    if (waitingCount > 0 && outcome == IDLE) {
      Deferral[] free = running;
      running = waiting;
      runningCount = waitingCount;
      waiting = free;
      waitingCount = 0;
      dirty = false;
      outcome = RUNNING;
      executor.execute(task);
      work++;
    }
    return work;
  }
}
