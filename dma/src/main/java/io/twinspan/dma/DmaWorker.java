package io.twinspan.dma;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSignal;
import io.twinspan.linux.TwinspanException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The <em>worker</em> engine: a thread that carries out the descriptors of several rings, in {@link
 * EngineTurns}, while their posters do something else.
 *
 * <p>A poster publishes, then {@linkplain #wake wakes} it, and collects the completions from its
 * ring. The worker sleeps when there is nothing to do. The posters' thread may {@link #pause} it,
 * to change what addresses mean or to take descriptors back.
 */
public final class DmaWorker implements AutoCloseable {
  /** How long {@link #close} waits for the thread, which does not stop within a piece. */
  public static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  private final EngineTurns turns = new EngineTurns();
  private final WakeSignal collectors;
  private final AgentRunner runner;

  /** Taken by the worker for every piece, and by who pauses it. */
  private final AtomicBoolean taken = new AtomicBoolean();

  private volatile boolean pauseWanted;

  /**
   * A worker that is not started.
   *
   * @param name of its thread
   * @param idle how it waits
   * @param collectors raised when a piece was carried out, for posters that sleep
   */
  public DmaWorker(String name, Idle idle, WakeSignal collectors) {
    this.collectors = collectors;
    runner =
        new AgentRunner(
            new Rounds(name),
            idle,
            List.of(),
            SystemClock.INSTANCE,
            AgentErrorHandler.LOG_AND_STOP,
            CLOSE_TIMEOUT);
  }

  /**
   * Gives it a ring to serve; before {@link #start}.
   *
   * @param engine of that ring, run by nobody else
   * @param priority as in {@link EngineTurns#add}
   * @param weight as in {@link EngineTurns#add}
   */
  public void add(SoftwareEngine engine, int priority, int weight) {
    turns.add(engine, 0, priority, weight);
  }

  /** Starts the thread. */
  public void start() {
    AgentRunner _ = runner.start();
  }

  /** Makes it look at its rings, if it sleeps; any thread, after something was published. */
  public void wake() {
    runner.wake();
  }

  /**
   * Waits until it is between two pieces, and keeps it there until {@link #resume}; for one thread.
   * What it did before is visible then.
   *
   * @throws TwinspanException if it is not done with its piece within {@link #CLOSE_TIMEOUT}
   */
  @SuppressWarnings("ThreadPriorityCheck") // a hint, in case the worker waits for this processor
  public void pause() {
    pauseWanted = true;
    long sinceNs = 0;
    while (!taken.compareAndSet(false, true)) {
      Thread.yield();
      long nowNs = SystemClock.INSTANCE.nanoTime();
      sinceNs = sinceNs == 0 ? nowNs : sinceNs;
      if (nowNs - sinceNs > CLOSE_TIMEOUT.toNanos()) {
        throw new TwinspanException(
            "%s is still copying one piece after %s"
                .formatted(runner.thread().getName(), CLOSE_TIMEOUT));
      }
    }
  }

  /** Lets it go on after {@link #pause}, with what was changed meanwhile. */
  public void resume() {
    pauseWanted = false;
    taken.set(false);
    wake();
  }

  /**
   * Whether its thread is there. An error in its code ends it; then the posters' thread may serve
   * its rings by {@link #step}.
   */
  public boolean isRunning() {
    return runner.thread().isAlive();
  }

  /**
   * Carries out one piece on the caller's thread, in place of a thread that is not running.
   *
   * @return whether there was one
   */
  public boolean step() {
    if (isRunning()) {
      throw new IllegalStateException("the worker runs");
    }
    return turns.step() != EngineTurns.NONE;
  }

  /**
   * Ends the thread; it carries out no more than the piece it is in.
   *
   * @throws TwinspanException if it has not ended within {@link #CLOSE_TIMEOUT}
   */
  @Override
  public void close() {
    runner.close();
  }

  /** What the thread does. */
  private final class Rounds implements Agent {
    private final String name;

    Rounds(String name) {
      this.name = name;
    }

    @Override
    public int doWork() {
      if (pauseWanted || !taken.compareAndSet(false, true)) {
        return 0; // resume() wakes it
      }
      boolean worked;
      try {
        worked = turns.step() != EngineTurns.NONE;
      } finally {
        taken.set(false);
      }
      if (worked) {
        collectors.raise();
      }
      return worked ? 1 : 0;
    }

    @Override
    public String roleName() {
      return name;
    }
  }
}
