package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Futex;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.Obituary;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread of a {@link Broker} that sleeps until one process's {@link DeathWord} tells of its
 * death. Made, and closed, by the thread of that process's session.
 */
final class DeathWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeathWatch.class);

  /** Stored when the watch is over, so that its thread wakes. */
  private static final int OVER = Futex.TID_MASK;

  /**
   * A session sees two: the process's thread comes, and dies or leaves. A few more are no harm;
   * with no limit a process could keep this thread busy.
   */
  private static final int MAX_CHANGES = 8;

  /** The longest sleep: whoever writes at the wrong moment could hide the end of the watch. */
  private static final long MAX_SLEEP_NS = 1_000_000_000;

  private final Consumer<String> onDeath;
  private final Fd memory = Memfd.create("nvme-death", DeathWord.BYTES);
  private final Mapping page;
  private final MemorySegment word;
  private final Thread thread =
      Thread.ofPlatform().name("nvme-broker-death").daemon(true).unstarted(this::run);
  private volatile boolean over;

  /**
   * Begins to watch a word that is 0.
   *
   * @param onDeath called at most once, on the watch's thread, with what happened
   */
  DeathWatch(Consumer<String> onDeath) {
    this.onDeath = onDeath;
    try {
      page = DeathWord.map(memory);
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
    word = DeathWord.in(page);
    thread.start();
  }

  /** The page, for the process; still owned by this object. */
  Fd shared() {
    return memory;
  }

  /** Ends the thread, waits for it, and unmaps the page. */
  @Override
  public void close() {
    over = true;
    SharedMemory.setIntRelease(word, 0, OVER);
    var _ = Futex.wake(word, 1);
    try {
      thread.join();
      page.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the page stays mapped, as the thread looks at it
    }
    memory.close();
  }

  private void run() {
    try {
      watch();
    } catch (RuntimeException e) {
      LOG.warn("a process's death will only be seen by the end of its socket", e);
    }
  }

  private void watch() {
    int known = load();
    for (int changes = 0; !over; changes++) {
      if (Obituary.tellsOfDeath(known)) {
        onDeath.accept("it has died");
        return;
      }
      if (changes > MAX_CHANGES) {
        onDeath.accept("its death word does not keep still");
        return;
      }
      known = awaitChange(known);
    }
  }

  private int awaitChange(int known) {
    int now = known;
    while (now == known && !over) {
      int _ = Futex.await(word, known, MAX_SLEEP_NS);
      now = load();
    }
    return now;
  }

  private int load() {
    return SharedMemory.getIntAcquire(word, 0);
  }
}
