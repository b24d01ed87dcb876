package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Other threads do the rounds of an agent that sleeps. */
@Timeout(60)
class AssistTest {
  /** Longer than the test may take: whoever is not woken fails the test. */
  private static final long FOR_EVER_NS = TimeUnit.HOURS.toNanos(1);

  private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(20);

  private final Counting agent = new Counting();
  private final AgentRunner runner = runner(new Idle(0, 0, FOR_EVER_NS));

  private AgentRunner runner(Idle idle) {
    return new AgentRunner(
        agent,
        idle,
        List.of(),
        SystemClock.INSTANCE,
        (failed, error) -> AgentErrorHandler.Decision.STOP,
        Duration.ofSeconds(30));
  }

  @Test
  void theRoundsOfASleepingAgentAreDoneByWhoeverHasWorkForIt() {
    try (runner) {
      runner.start();
      assistUntilARoundIsOurs();

      assertThat(agent.workers).contains(Thread.currentThread());
    }
    assertThat(agent.closedBy).isSameAs(runner.thread());
  }

  @Test
  void oneThreadWorksAtATime() throws InterruptedException {
    try (runner) {
      runner.start();
      inParallel(3, () -> IntStream.range(0, 20_000).forEach(i -> produce()));
      until(() -> agent.done.get() == 60_000);
    }
    assertThat(agent.overlaps.get()).as("rounds that overlapped").isZero();
    assertThat(agent.workers).hasSizeGreaterThan(1);
  }

  @Test
  void whoComesWhileAnotherAssistsIsNotForgotten() throws InterruptedException {
    try (runner) {
      runner.start();
      inParallel(
          2,
          () -> {
            for (int i = 1; i <= 2_000; i++) {
              int goal = 2 * i;
              produce();
              until(() -> agent.done.get() >= goal);
            }
          });
    }
  }

  @Test
  void whoComesJustAfterTheLastLookIsNotForgotten() {
    try (runner) {
      runner.start();
      for (int i = 1; i <= 100; i++) {
        assistUntilARoundIsOurs();
        agent.whenNothingWasFound = this::letAnotherProduce;
        runner.assist();
        int goal = i;
        until(() -> agent.done.get() == goal);
      }
    }
  }

  @Test
  void whoComesJustBeforeTheAgentIsLeftToItsSleepIsNotForgotten() {
    try (runner) {
      runner.start();
      for (int i = 1; i <= 100; i++) {
        assistUntilARoundIsOurs();
        agent.whenAskedForADeadline = this::letAnotherProduce;
        runner.assist();
        int goal = i;
        until(() -> agent.done.get() == goal);
      }
    }
  }

  private void letAnotherProduce() {
    CompletableFuture.runAsync(this::produce).join();
  }

  private void inParallel(int threads, Runnable work) throws InterruptedException {
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      CompletableFuture<Void> end = new CompletableFuture<>();
      all.add(end);
      Thread.ofPlatform()
          .daemon()
          .start(() -> {
            try {
              work.run();
              end.complete(null);
            } catch (AssertionError e) {
              end.completeExceptionally(e);
            }
          });
    }
    all.forEach(CompletableFuture::join);
  }

  private void produce() {
    until(() -> agent.queue.offer(1));
    runner.assist();
  }

  @Test
  void anAgentThatNobodyAssistsAnyMoreDoesTheRest() {
    try (runner) {
      runner.start();
      assistUntilARoundIsOurs();
      agent.rest.set(1_000);
      assistUntilARoundIsOurs();
      until(() -> agent.rest.get() == 0); // one call does no more than a few dozen rounds
    }
  }

  @Test
  void aDeadlineThatIsNewInAnAssistedRoundIsKept() {
    try (runner) {
      runner.start();
      for (int i = 0; i < 300; i++) {
        assistUntilARoundIsOurs();
        agent.next = () -> agent.deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(2);
        runner.assist();
        until(() -> agent.next == null && agent.deadlineNs == Agent.NO_DEADLINE);
      }
    }
  }

  @Test
  void aSourceThatIsAddedInAnAssistedRoundWakes() {
    List<WakeableQueue<Integer>> added = new ArrayList<>();
    try (runner) {
      runner.start();
      for (int i = 0; i < 300; i++) {
        WakeableQueue<Integer> queue = new WakeableQueue<>(8);
        added.add(queue);
        assistUntilARoundIsOurs();
        AtomicBoolean seen = new AtomicBoolean();
        agent.beside =
            () -> {
              if (queue.poll() != null) {
                seen.set(true);
              }
            };
        // the last look of all: after what was there before was armed
        agent.whenNothingWasFound = () -> agent.whenNothingWasFound = () -> runner.add(queue);
        runner.assist();
        until(() -> agent.whenNothingWasFound == null);
        assertThat(queue.offer(1)).isTrue();
        until(seen::get);
      }
    }
    added.forEach(WakeableQueue::close);
  }

  @Test
  void aFaultInAnAssistedRoundEndsTheAgentOnItsOwnThread() throws InterruptedException {
    runner.start();
    assistUntilARoundIsOurs();
    agent.next =
        () -> {
          throw new IllegalStateException("as ordered");
        };
    runner.assist();
    runner.thread().join();

    assertThat(agent.closedBy).isSameAs(runner.thread());
    runner.assist(); // does nothing
  }

  /** Until the agent sleeps, it is merely woken. */
  private void assistUntilARoundIsOurs() {
    agent.workers.clear();
    until(() -> {
      runner.assist();
      return agent.workers.contains(Thread.currentThread());
    });
  }

  @SuppressWarnings("ThreadPriorityCheck") // lets the agent on, where processors are few
  private static void until(BooleanSupplier condition) {
    long startNs = System.nanoTime();
    while (!condition.getAsBoolean()) {
      Thread.yield();
      assertThat(System.nanoTime() - startNs).as("ns waited").isLessThan(PATIENCE_NS);
    }
  }

  private static final class Counting implements Agent {
    private final MpscQueue<Integer> queue = new MpscQueue<>(64);
    private final Set<Thread> workers = ConcurrentHashMap.newKeySet();
    private final AtomicLong done = new AtomicLong();
    private volatile Runnable next;
    private volatile Runnable whenNothingWasFound;
    private volatile Runnable whenAskedForADeadline;
    private volatile Runnable beside = () -> {};
    private final AtomicInteger rest = new AtomicInteger();
    private volatile long deadlineNs = NO_DEADLINE;
    private volatile Thread closedBy;
    private volatile boolean inside;
    private final AtomicInteger overlaps = new AtomicInteger();

    @Override
    public int doWork() {
      if (inside) {
        overlaps.incrementAndGet();
      }
      inside = true;
      try {
        workers.add(Thread.currentThread());
        return step();
      } finally {
        inside = false;
      }
    }

    private int step() {
      Runnable once = next;
      if (once != null) {
        once.run();
        next = null;
        return 1;
      }
      if (System.nanoTime() >= deadlineNs) {
        deadlineNs = NO_DEADLINE;
        return 1;
      }
      beside.run();
      if (rest.get() > 0) {
        rest.decrementAndGet();
        return 1;
      }
      if (queue.poll() != null) {
        done.incrementAndGet();
        return 1;
      }
      once = whenNothingWasFound;
      if (once != null) {
        whenNothingWasFound = null;
        once.run();
      }
      return 0;
    }

    @Override
    public String roleName() {
      return "counting";
    }

    @Override
    public long nextDeadlineNs() {
      Runnable once = whenAskedForADeadline;
      if (once != null) {
        whenAskedForADeadline = null;
        once.run();
      }
      return deadlineNs;
    }

    @Override
    public void onClose() {
      closedBy = Thread.currentThread();
    }
  }
}
