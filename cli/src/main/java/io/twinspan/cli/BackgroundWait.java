package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import java.util.concurrent.locks.LockSupport;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Waits for what a pool does in the background, and shows how far it is. */
final class BackgroundWait {
  private static final long POLL_NS = 200_000_000;

  /** A takeover takes seconds; a pool that nobody serves for so long is told of. */
  private static final long NO_OWNER_DEADLINE_NS = 60_000_000_000L;

  private BackgroundWait() {}

  /**
   * Waits until it runs no more, whoever owns the pool meanwhile.
   *
   * @param what {@code scrub} or {@code rebuild}
   */
  static void until(ArrayProcesses processes, String pool, String what) {
    try (ProgressBar bar = Terminal.isThere() ? bar(what + " of pool " + pool) : null) {
      long seenNs = System.nanoTime();
      boolean running = true;
      while (running) {
        JsonNode progress = ask(processes, pool, what);
        if (progress != null) {
          seenNs = System.nanoTime();
          running = progress.path("state").asString("").equals("RUNNING");
          if (bar != null) {
            bar.maxHint(progress.path("totalBytes").asLong(0) >> 20)
                .stepTo(progress.path("doneBytes").asLong(0) >> 20);
          }
        } else if (System.nanoTime() - seenNs > NO_OWNER_DEADLINE_NS) {
          throw new TwinspanException("pool " + pool + " has had no owner for a minute");
        }
        if (running) {
          LockSupport.parkNanos(POLL_NS);
        }
      }
    }
  }

  private static @Nullable JsonNode ask(ArrayProcesses processes, String pool, String what) {
    try {
      return PoolCommand.pools(processes, pool).get(0).path(what);
    } catch (TwinspanException e) {
      return null; // between two owners
    }
  }

  private static ProgressBar bar(String task) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setUnit(" MiB", 1)
        .setStyle(ProgressBarStyle.ASCII)
        .setConsumer(new ConsoleProgressBarConsumer(System.err))
        .build();
  }
}
