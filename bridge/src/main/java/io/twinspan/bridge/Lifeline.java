package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Futex;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Obituary;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that does nothing but die with its process, and sleep until the peer's does.
 *
 * <p>During a life of the link the kernel holds an {@link Obituary} of this thread for the death
 * word in the peer's control page. So a killed process is known in the first moments of its death,
 * before its memory is given back and its socket closed. The thread sleeps on the death word that
 * the peer left here, and when that tells of a death it wakes the bridge, which may be asleep; a
 * bridge that is awake sees the word by itself.
 *
 * <p>Other threads of a dying process may store for another instant, just as a peer that was
 * declared dead for its silence may: rights are taken back all the same.
 *
 * <p>The peer can write what it likes into the word. At worst that ends the link: a word that keeps
 * changing is {@linkplain Life#isRestless a breach}.
 */
final class Lifeline implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Lifeline.class);

  /** What an owner stores into its own word when a life is over, to wake its lifeline. */
  private static final int OVER = Futex.TID_MASK;

  /** A life sees two: the peer's thread comes, and dies or leaves. */
  private static final int MAX_CHANGES = 8;

  /** The longest sleep: a peer that writes at the wrong moment could hide the end of a life. */
  private static final long MAX_SLEEP_NS = 1_000_000_000;

  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  private final EventFd signal = EventFd.create();
  private final BlockingQueue<Life> lives = new LinkedBlockingQueue<>();
  private final Thread thread = Thread.ofPlatform().name("lifeline").daemon().unstarted(this::run);
  private @Nullable Life current;

  /** Readable when something happened to the peer; {@link #drain} takes it back. */
  Fd fd() {
    return signal.fd();
  }

  boolean drain() {
    return signal.drain();
  }

  /** The death word of one life, at both sides; belongs to the lifeline from {@link #begin} on. */
  static final class Life implements AutoCloseable {
    private final Mapping ownPage;
    private final Mapping peerPage;
    private final MemorySegment ownWord;
    private volatile boolean over;
    private volatile boolean restless;

    /**
     * Maps both control pages once more, so that the thread can leave them in its own time.
     *
     * @throws io.twinspan.linux.TwinspanException if there is no memory
     */
    Life(Fd ownControl, Fd peerControl) {
      ownPage = map(ownControl);
      try {
        peerPage = map(peerControl);
      } catch (RuntimeException e) {
        ownPage.close();
        throw e;
      }
      ownWord = word(ownPage);
    }

    private static Mapping map(Fd fd) {
      return Mapping.shared(fd, 0, Window.HEADER_BYTES, Mapping.Protection.READ_WRITE);
    }

    private static MemorySegment word(Mapping page) {
      return page.segment().asSlice(ControlPage.DEATH, Integer.BYTES);
    }

    /** Whether the word has changed more often than a life allows. */
    boolean isRestless() {
      return restless;
    }

    private int load() {
      return SharedMemory.getIntAcquire(ownWord, 0);
    }

    @Override
    public void close() {
      ownPage.close();
      peerPage.close();
    }
  }

  /** A life of the link begins; on the bridge's thread, like everything but the thread's run. */
  void begin(Life life) {
    if (!Futex.isSupported()) {
      life.close();
      return;
    }
    if (thread.getState() == Thread.State.NEW) {
      thread.start();
    }
    current = life;
    lives.add(life);
  }

  /** Whether the peer plays with its death word. */
  boolean isRestless() {
    return current != null && current.isRestless();
  }

  /**
   * The life is over: the thread leaves it soon, and the peer is told nothing when it dies.
   *
   * @param ownControlPage this side's page, still mapped
   */
  void end(MemorySegment ownControlPage) {
    Life ended = current;
    if (ended == null) {
      return;
    }
    current = null;
    ended.over = true;
    MemorySegment word = ownControlPage.asSlice(ControlPage.DEATH, Integer.BYTES);
    SharedMemory.setIntRelease(word, 0, OVER); // so that it does not fall asleep
    var _ = Futex.wake(word, 1); // or wakes
  }

  /** Ends the thread and waits for it; after {@link #end}. */
  @Override
  public void close() {
    if (thread.getState() != Thread.State.NEW) {
      thread.interrupt();
      join();
    }
    signal.close();
  }

  private void join() {
    try {
      if (!thread.join(CLOSE_TIMEOUT)) {
        LOG.warn("link: the lifeline has not ended within {}", CLOSE_TIMEOUT);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try {
      while (true) {
        live(lives.take());
      }
    } catch (InterruptedException e) {
      lives.forEach(Life::close); // the bridge was closed
    }
  }

  private void live(Life life) {
    try (life) {
      if (!life.over) {
        try (Obituary _ = Obituary.of(Life.word(life.peerPage))) {
          watch(life);
        }
      }
    } catch (RuntimeException e) {
      LOG.warn("link: the peer's death will only be seen by the end of its socket", e);
    }
  }

  private void watch(Life life) {
    int known = life.load();
    int changes = 0;
    while (!life.over && !Obituary.tellsOfDeath(known) && !life.restless) {
      int _ = Futex.await(life.ownWord, known, MAX_SLEEP_NS);
      int word = life.load();
      if (word != known) {
        known = word;
        changes++;
        life.restless = changes > MAX_CHANGES;
      }
    }
    signal.signal(); // of a life that is over it says nothing and does no harm
  }
}
