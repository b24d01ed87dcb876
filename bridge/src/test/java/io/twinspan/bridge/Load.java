package io.twinspan.bridge;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** Threads that keep the machine's processors busy until it is closed. */
final class Load implements AutoCloseable {
  private static final int LIVE_BLOCKS = 64;

  private final List<Thread> threads = new ArrayList<>();

  Load(int busyThreads) {
    for (int i = 0; i < busyThreads; i++) {
      threads.add(Thread.ofPlatform().name("load-" + i).daemon().start(Load::spin));
    }
  }

  /** Allocates for ever, about so many MiB a second, of which a little stays alive for a while. */
  static void allocate(int mibPerSecond) {
    byte[][] live = new byte[LIVE_BLOCKS][];
    for (int i = 0; !Thread.currentThread().isInterrupted(); i++) {
      live[i % LIVE_BLOCKS] = new byte[1 << 18];
      if (i % 4 == 3) {
        LockSupport.parkNanos(1_000_000_000L / mibPerSecond);
      }
    }
  }

  private static void spin() {
    while (!Thread.currentThread().isInterrupted()) {
      Thread.onSpinWait();
    }
  }

  @Override
  public void close() {
    threads.forEach(Thread::interrupt);
  }
}
