package io.twinspan.concurrent;

import io.twinspan.concurrent.AgentErrorHandler.Decision;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Runs one agent on one daemon thread, which sleeps when there is nothing to do; while it sleeps, a
 * thread that has work for the agent may do it at once ({@link #assist()}).
 *
 * <p>A round without work is repeated as {@link Idle} says. Then all wake sources are armed, one
 * more round looks for work that came before they were, and if there was none the thread sleeps
 * until a source is signalled, the agent's next deadline, or the longest sleep. After a sleep that
 * nothing but time ended, one round is enough before the next one, so an idle agent costs next to
 * nothing.
 *
 * <p>{@link #add} and {@link #remove} are for the thread that does the rounds, once they begin; any
 * thread may call the other methods.
 */
public final class AgentRunner implements AutoCloseable {
  /** How long {@link #close()} waits for the thread, unless told otherwise. */
  public static final Duration DEFAULT_CLOSE_TIMEOUT = Duration.ofSeconds(10);

  /** Rounds that find work which one {@link #assist()} does at most. */
  private static final int MAX_ASSISTED_ROUNDS = 32;

  /** A hand-over takes microseconds, unless the thread that works was taken off its processor. */
  private static final int HAND_OVER_YIELDS = 10;

  private static final long HAND_OVER_PARK_NS = 20_000;
  private static final VarHandle WORKER;

  static {
    try {
      WORKER = MethodHandles.lookup().findVarHandle(AgentRunner.class, "worker", Thread.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private enum State {
    NEW,
    RUNNING,
    CLOSING
  }

  private final Agent agent;
  private final Idle idle;
  private final Clock clock;
  private final AgentErrorHandler errorHandler;
  private final Duration closeTimeout;
  private final Thread thread;
  private final Poller poller = new Poller();
  private final WakeSignal wakeSignal = new WakeSignal();
  private final List<WakeSource> sources = new ArrayList<>();

  /** Goes forward only; to RUNNING under this object's lock, to CLOSING from anywhere. */
  private volatile State state = State.NEW;

  /**
   * The thread whose the agent is now: its own, one that assists, or none while it sleeps. It
   * passes by CAS from null, and whatever is the agent's passes with it.
   */
  private volatile @Nullable Thread worker;

  /** Whether sources came or went since they were armed; the worker's. */
  private boolean sourcesChanged;

  /** When the sleep ends by itself; the worker's. */
  private long sleepUntilNs;

  /**
   * A runner with the usual clock, error handler and close timeout.
   *
   * @param agent what to run
   * @param idle how to wait
   * @param sources what ends a sleep
   */
  public AgentRunner(Agent agent, Idle idle, List<? extends WakeSource> sources) {
    this(
        agent,
        idle,
        sources,
        SystemClock.INSTANCE,
        AgentErrorHandler.LOG_AND_STOP,
        DEFAULT_CLOSE_TIMEOUT);
  }

  /**
   * A runner that is not started.
   *
   * @param agent what to run
   * @param idle how to wait
   * @param sources what ends a sleep; they stay owned by the caller
   * @param clock the time of the agent's deadlines; it must go at the speed of the real one
   * @param errorHandler is asked what to do when a round throws
   * @param closeTimeout how long {@link #close()} waits for the thread
   */
  public AgentRunner(
      Agent agent,
      Idle idle,
      List<? extends WakeSource> sources,
      Clock clock,
      AgentErrorHandler errorHandler,
      Duration closeTimeout) {
    this.agent = agent;
    this.idle = idle;
    this.clock = clock;
    this.errorHandler = errorHandler;
    this.closeTimeout = closeTimeout;
    thread = Thread.ofPlatform().name(agent.roleName()).daemon(true).unstarted(this::run);
    worker = thread;
    watch(wakeSignal);
    sources.forEach(this::watch);
  }

  /**
   * Starts the thread.
   *
   * @return this runner
   * @throws IllegalStateException if it was started or closed before
   */
  public synchronized AgentRunner start() {
    if (state != State.NEW) {
      throw new IllegalStateException("agent " + agent.roleName() + " is " + state);
    }
    state = State.RUNNING;
    thread.start();
    return this;
  }

  /** The agent's thread. */
  public Thread thread() {
    return thread;
  }

  /** Makes the agent do a round if it sleeps. */
  public void wake() {
    wakeSignal.raise();
  }

  /**
   * Gets the agent to look at what the caller has published for it: if it sleeps by rounds on this
   * thread, until there is no work or a few dozen are done, else as {@link #wake()} does.
   *
   * <p>That spares two wake-ups, of the agent's thread and of the one that waits for the answer. It
   * is for threads that may wait for as long as rounds take, hold no lock that a round needs, and
   * are not themselves in a round.
   */
  public void assist() {
    if (!WORKER.compareAndSet(this, (Thread) null, Thread.currentThread())) {
      wakeSignal.raise();
      return;
    }
    boolean more = true;
    try {
      sourcesChanged = false;
      disarm();
      int rounds = 0;
      while (state == State.RUNNING && rounds < MAX_ASSISTED_ROUNDS && round() > 0) {
        rounds++;
      }
      arm();
      more = isWorkLeft();
    } finally {
      worker = null;
      if (more) {
        wakeSignal.raise();
      }
    }
  }

  /** Whether the agent's thread must not go on sleeping. */
  private boolean isWorkLeft() {
    return state != State.RUNNING
        || round() > 0
        || sourcesChanged
        || agent.nextDeadlineNs() < sleepUntilNs;
  }

  /** Adds a source that ends a sleep; for the thread that does the rounds, or before they begin. */
  public void add(WakeSource source) {
    requireWorker();
    watch(source);
    sourcesChanged = true;
  }

  /** Removes a source before it is closed; for the thread that does the rounds. */
  public void remove(WakeSource source) {
    requireWorker();
    if (sources.remove(source)) {
      poller.remove(source.fd());
      source.disarm();
      sourcesChanged = true;
    }
  }

  /**
   * Ends the agent: no further round begins, {@link Agent#onClose()} runs on the agent's thread,
   * and this call waits for it unless it is made on that thread. A second call waits too.
   *
   * @throws TwinspanException if the thread has not ended in time; it goes on to end
   */
  @Override
  public void close() {
    boolean started = beginClose();
    if (!started) {
      release();
      return;
    }
    if (Thread.currentThread() == worker) {
      return;
    }
    wakeSignal.raise();
    try {
      if (!thread.join(closeTimeout)) {
        throw new TwinspanException(
            "agent %s still works %s after it was told to stop"
                .formatted(agent.roleName(), closeTimeout));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted while agent " + agent.roleName() + " stops", e);
    }
  }

  private synchronized boolean beginClose() {
    state = State.CLOSING;
    return thread.getState() != Thread.State.NEW;
  }

  private void run() {
    try {
      if (guarded(agent::onStart)) {
        dutyCycle();
      }
    } finally {
      state = State.CLOSING;
      try {
        var _ = guarded(agent::onClose);
      } finally {
        release();
      }
    }
  }

  @SuppressWarnings("ThreadPriorityCheck") // a yield is a hint here, and nothing depends on it
  private void dutyCycle() {
    boolean waiting = false;
    long sinceNs = 0;
    int yields = 0;
    while (state == State.RUNNING) {
      if (round() > 0) {
        waiting = false;
        continue;
      }
      if (!waiting) {
        waiting = true;
        sinceNs = clock.nanoTime();
        yields = 0;
      }
      if (idle.spinNs() > 0 && clock.nanoTime() - sinceNs < idle.spinNs()) {
        Thread.onSpinWait();
      } else if (yields < idle.yields()) {
        yields++;
        Thread.yield();
      } else if (sleep()) {
        waiting = false;
      }
    }
  }

  /** Sleeps unless there is work; returns whether there was or something woke the thread. */
  private boolean sleep() {
    sourcesChanged = false;
    arm();
    try {
      if (round() > 0 || sourcesChanged || state != State.RUNNING) {
        return true;
      }
      long nowNs = clock.nanoTime();
      long sleepNs = sleepNs(nowNs);
      sleepUntilNs = nowNs + sleepNs;
      worker = null;
      try {
        return poller.await(sleepNs) > 0;
      } finally {
        takeOver();
      }
    } finally {
      disarm();
    }
  }

  private long sleepNs(long nowNs) {
    long deadlineNs = agent.nextDeadlineNs();
    if (deadlineNs == Agent.NO_DEADLINE) {
      return idle.maxSleepNs();
    }
    return Math.clamp(deadlineNs - nowNs, 0, idle.maxSleepNs());
  }

  /** Makes this thread the worker, after one that assists. */
  @SuppressWarnings("ThreadPriorityCheck") // a yield is a hint here, and nothing depends on it
  private void takeOver() {
    int yields = 0;
    while (!WORKER.compareAndSet(this, (Thread) null, thread)) {
      if (yields < HAND_OVER_YIELDS) {
        yields++;
        Thread.yield();
      } else {
        LockSupport.parkNanos(HAND_OVER_PARK_NS);
      }
    }
  }

  private int round() {
    try {
      return agent.doWork();
    } catch (Throwable e) {
      if (errorHandler.onError(agent, e) == Decision.STOP) {
        state = State.CLOSING;
      }
      return 0; // one that throws every time shall not spin
    }
  }

  private boolean guarded(Runnable step) {
    try {
      step.run();
      return true;
    } catch (Throwable e) {
      var _ = errorHandler.onError(agent, e);
      return false;
    }
  }

  private void watch(WakeSource source) {
    poller.add(source.fd(), sources.size());
    sources.add(source);
  }

  // Loops by index: the list may change while a round runs, and an iterator would be allocated.
  private void arm() {
    for (int i = 0; i < sources.size(); i++) {
      sources.get(i).arm();
    }
  }

  private void disarm() {
    for (int i = 0; i < sources.size(); i++) {
      sources.get(i).disarm();
    }
  }

  private void release() {
    poller.close();
    wakeSignal.close();
  }

  private void requireWorker() {
    if (state != State.NEW && Thread.currentThread() != worker) {
      throw new IllegalStateException(
          "the sources of agent %s belong to the thread that does its rounds, not to %s"
              .formatted(agent.roleName(), Thread.currentThread().getName()));
    }
  }
}
