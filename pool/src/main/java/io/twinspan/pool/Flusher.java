package io.twinspan.pool;

import java.util.ArrayList;
import java.util.List;

/**
 * Flushes the drives, one round at a time; whoever asks while a round is under way shares the next
 * one. A round makes every batch stable that was complete when it began.
 */
final class Flusher implements DriveIo.Listener {
  /** Waits for a flush. */
  interface Waiter {
    /** Everything that was complete when this was asked for is flushed. */
    void flushed();
  }

  private final OpenPool pool;
  private List<Waiter> waiting = new ArrayList<>();
  private List<Waiter> inRound = new ArrayList<>();
  private boolean wanted;
  private boolean running;
  private int pendingIos;
  private long roundSequence;
  private long roundBytes;
  private long stableSequence;
  private long unflushedBytes;

  Flusher(OpenPool pool, long stableSequence) {
    this.pool = pool;
    this.stableSequence = stableSequence;
  }

  /** Batches up to this one survive a loss of power. */
  long stableSequence() {
    return stableSequence;
  }

  void request(Waiter waiter) {
    waiting.add(waiter);
    wanted = true;
  }

  /** Flushes when somebody waits for space. */
  void request() {
    wanted = true;
  }

  void wrote(long bytes) {
    unflushedBytes += bytes;
    wanted |= unflushedBytes > pool.options.autoFlushBytes();
  }

  void clear() {
    waiting.clear();
    inRound.clear();
    wanted = false;
  }

  int work() {
    if (running && pendingIos == 0) {
      finish();
      return 1;
    }
    if (running || !wanted) {
      return 0;
    }
    start();
    return 1;
  }

  private void start() {
    running = true;
    wanted = false;
    List<Waiter> empty = inRound;
    inRound = waiting;
    waiting = empty;
    roundSequence = pool.journal.completedSequence();
    roundBytes = unflushedBytes;
    for (int i = 0; i < pool.drives.count(); i++) {
      if (pool.drives.isLive(i)) {
        pendingIos += pool.drives.flush(i, this);
      }
    }
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
  }

  private void finish() {
    running = false;
    if (pool.isHalted()) {
      return;
    }
    unflushedBytes -= roundBytes;
    stableSequence = roundSequence;
    pool.space.flushed(stableSequence);
    for (Waiter waiter : inRound) {
      waiter.flushed();
    }
    inRound.clear();
  }
}
