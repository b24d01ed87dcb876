package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Obituary;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that does nothing but die with its process: the kernel holds an {@link Obituary} of it
 * for the {@link DeathWord} that the broker made. Any thread may close it.
 */
final class ObituaryThread implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ObituaryThread.class);

  private final Mapping page;
  private final CountDownLatch over = new CountDownLatch(1);
  private final Thread thread =
      Thread.ofPlatform().name("nvme-lifeline").daemon(true).unstarted(this::run);

  /**
   * Begins.
   *
   * @param memory the broker's page; may be closed afterwards
   * @throws io.twinspan.linux.TwinspanException if it is no such page
   */
  ObituaryThread(Fd memory) {
    page = DeathWord.map(memory);
    thread.start();
  }

  /** Takes the word back: the thread's end tells of no death then. */
  @Override
  public void close() {
    over.countDown();
    try {
      thread.join();
      page.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the page stays mapped, as the kernel may write there
    }
  }

  private void run() {
    try (Obituary _ = Obituary.of(DeathWord.in(page))) {
      over.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // nobody does that; the socket's end is left
    } catch (RuntimeException e) {
      LOG.warn("the broker will see this process's death only by the end of its socket", e);
    }
  }
}
