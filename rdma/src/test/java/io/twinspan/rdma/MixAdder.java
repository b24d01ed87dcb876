package io.twinspan.rdma;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread that adds to the high halves of words to whose low halves the peer's atomics add: each
 * sees whether the other's are atomic.
 */
final class MixAdder implements Runnable {
  private static final long ONE = 1L << Integer.SIZE;
  private static final long HIGH_HALF = 0xffff_ffffL;
  private static final int UNKNOWN = -1;
  private static final int BURST = 200;
  private static final long REST_NS = 100_000;

  private final MixSide side;
  private final List<MemorySegment> words = new ArrayList<>();
  private final Thread thread = Thread.ofPlatform().daemon().name("mix-adder").unstarted(this);
  private volatile boolean stopped;

  MixAdder(MixSide side) {
    this.side = side;
  }

  /** Before it is started. */
  void add(MemorySegment counters) {
    words.add(counters);
  }

  void start() {
    thread.start();
  }

  /** Touches no memory any more when this returns. */
  void stop() {
    stopped = true;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void run() {
    long[] sums = new long[words.size()];
    int[] taints = new int[words.size()];
    try {
      for (int i = 0; !stopped; i = (i + 1) % sums.length) {
        int present = side.taints();
        boolean known = present == taints[i];
        sums[i] = burst(words.get(i), sums[i], known ? present : UNKNOWN);
        taints[i] = present;
        LockSupport.parkNanos(REST_NS);
      }
    } catch (MixViolation violation) {
      side.failLater(violation);
    }
  }

  /** Adds, and returns what should be there then. */
  private long burst(MemorySegment counters, long sum, int taints) {
    long next = sum;
    for (int n = 0; n < BURST; n++) {
      long high = SharedMemory.getAndAddLong(counters, 0, ONE) >>> Integer.SIZE;
      // While the peer lies, and at the first look afterwards, anything may be there.
      MixViolation.require(
          high == next || taints != side.taints() || MixSide.isTaint(taints),
          "%d was added to a counter, but %d is there",
          next,
          high);
      next = high + 1 & HIGH_HALF;
    }
    return next;
  }
}
