package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.concurrent.AgentErrorHandler.Decision;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.TwinspanException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class AgentRunnerTest {
  /** Longer than the test may take: whoever is not woken fails the test. */
  private static final long FOR_EVER_NS = TimeUnit.HOURS.toNanos(1);

  private static final Idle DEEP_SLEEP = new Idle(0, 0, FOR_EVER_NS);

  @Test
  void lifeOfAnAgentIsLivedOnItsOwnDaemonThread() {
    List<String> life = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    CountDownLatch worked = new CountDownLatch(1);
    Agent agent =
        new Agent() {
          @Override
          public int doWork() {
            note("work");
            worked.countDown();
            return 0;
          }

          @Override
          public String roleName() {
            return "liver";
          }

          @Override
          public void onStart() {
            note("start");
          }

          @Override
          public void onClose() {
            note("close");
          }

          private void note(String what) {
            if (!life.contains(what)) {
              life.add(what);
            }
            threads.add(Thread.currentThread());
          }
        };
    AgentRunner runner = new AgentRunner(agent, DEEP_SLEEP, List.of()).start();
    await(worked);
    runner.close();

    assertThat(life).containsExactly("start", "work", "close");
    assertThat(threads).containsOnly(runner.thread());
    assertThat(runner.thread().getName()).isEqualTo("liver");
    assertThat(runner.thread().isDaemon()).isTrue();
    assertThat(runner.thread().isAlive()).isFalse();
  }

  @Test
  void sleepingAgentIsWokenByItsQueue() throws InterruptedException {
    LinkedBlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
    try (WakeableQueue<Integer> queue = new WakeableQueue<>(8);
        AgentRunner runner =
            new AgentRunner(agent(() -> drain(queue, seen)), DEEP_SLEEP, List.of(queue))) {
      runner.start();
      for (int i = 0; i < 5_000; i++) {
        assertThat(queue.offer(i)).isTrue();
        assertThat(seen.poll(30, TimeUnit.SECONDS)).isEqualTo(i);
      }
    }
  }

  @Test
  void defaultIdlingLosesNoWakeUpEither() throws InterruptedException {
    Idle idle = new Idle(Idle.DEFAULT.spinNs(), Idle.DEFAULT.yields(), FOR_EVER_NS);
    LinkedBlockingQueue<Integer> seen = new LinkedBlockingQueue<>();
    try (WakeableQueue<Integer> queue = new WakeableQueue<>(8);
        AgentRunner runner =
            new AgentRunner(agent(() -> drain(queue, seen)), idle, List.of(queue))) {
      runner.start();
      for (int i = 0; i < 5_000; i++) {
        assertThat(queue.offer(i)).isTrue();
        assertThat(seen.poll(30, TimeUnit.SECONDS)).isEqualTo(i);
      }
    }
  }

  @Test
  void wakeMakesASleepingAgentDoARound() {
    AtomicInteger rounds = new AtomicInteger();
    try (AgentRunner runner =
        new AgentRunner(agent(() -> rounds.incrementAndGet() * 0), DEEP_SLEEP, List.of())) {
      runner.start();
      for (int i = 0; i < 100; i++) {
        int before = rounds.get();
        runner.wake();
        while (rounds.get() == before) {
          Thread.onSpinWait();
        }
      }
    }
  }

  @Test
  void idleAgentDoesFewRounds() {
    AtomicInteger rounds = new AtomicInteger();
    Idle idle = new Idle(0, 10, FOR_EVER_NS);
    CountDownLatch asleep = new CountDownLatch(1);
    Agent agent =
        new TestAgent(() -> rounds.incrementAndGet() * 0) {
          @Override
          public long nextDeadlineNs() {
            asleep.countDown();
            return NO_DEADLINE;
          }
        };
    try (AgentRunner runner = new AgentRunner(agent, idle, List.of())) {
      runner.start();
      await(asleep);
    }

    // 10 rounds that give way, the one that failed to end them, the armed one.
    assertThat(rounds).hasValueBetween(11, 14);
  }

  @Test
  void deadlineEndsASleep() {
    AtomicInteger rounds = new AtomicInteger();
    CountDownLatch due = new CountDownLatch(20);
    Agent agent =
        new TestAgent(
            () -> {
              rounds.incrementAndGet();
              due.countDown();
              return 0;
            }) {
          @Override
          public long nextDeadlineNs() {
            return SystemClock.INSTANCE.nanoTime() + TimeUnit.MICROSECONDS.toNanos(100);
          }
        };
    try (AgentRunner runner = new AgentRunner(agent, DEEP_SLEEP, List.of())) {
      runner.start();
      await(due);
    }
  }

  @Test
  void sourceAddedByTheAgentWakesIt() {
    CountDownLatch drained = new CountDownLatch(1);
    CountDownLatch removed = new CountDownLatch(1);
    AtomicReference<AgentRunner> runner = new AtomicReference<>();
    try (EventFd event = EventFd.create()) {
      WakeSource source = WakeSource.readable(event.fd());
      AtomicInteger step = new AtomicInteger();
      Agent agent =
          agent(() -> {
            if (step.get() == 0) {
              runner.get().add(source);
              step.set(1);
            } else if (step.get() == 1 && event.drain()) {
              drained.countDown();
              runner.get().remove(source);
              step.set(2);
              removed.countDown();
            }
            return 0;
          });
      runner.set(new AgentRunner(agent, DEEP_SLEEP, List.of()));
      try (AgentRunner running = runner.get().start()) {
        event.signal();
        await(drained);
        await(removed);
        assertThatThrownBy(() -> running.add(source)).isInstanceOf(IllegalStateException.class);
      }
    }
  }

  @Test
  void errorHandlerMayLetTheAgentGoOn() {
    AtomicInteger rounds = new AtomicInteger();
    List<Throwable> errors = new ArrayList<>();
    CountDownLatch thirdRound = new CountDownLatch(3);
    Agent agent =
        new TestAgent(() -> {
          thirdRound.countDown();
          if (rounds.incrementAndGet() <= 2) {
            throw new IllegalStateException("round " + rounds);
          }
          return 0;
        });
    AgentErrorHandler handler =
        (failed, error) -> {
          errors.add(error);
          return Decision.GO_ON;
        };
    try (AgentRunner runner = runner(agent, handler)) {
      runner.start();
      while (thirdRound.getCount() > 0) {
        runner.wake();
      }
    }

    assertThat(errors).extracting(Throwable::getMessage).containsExactly("round 1", "round 2");
  }

  @Test
  void errorHandlerMayStopTheAgentWhichIsClosed() throws InterruptedException {
    CompletableFuture<Throwable> error = new CompletableFuture<>();
    CountDownLatch closed = new CountDownLatch(1);
    Agent agent =
        new TestAgent(
            () -> {
              throw new IllegalStateException("broken");
            }) {
          @Override
          public void onClose() {
            closed.countDown();
          }
        };
    AgentErrorHandler handler =
        (failed, thrown) -> {
          error.complete(thrown);
          return Decision.STOP;
        };
    AgentRunner runner = runner(agent, handler).start();
    runner.thread().join();

    assertThat(error).isCompletedWithValueMatching(e -> e.getMessage().equals("broken"));
    assertThat(closed.getCount()).isZero();
    runner.close();
  }

  @Test
  void agentThatFailsToStartDoesNoRound() throws InterruptedException {
    AtomicInteger rounds = new AtomicInteger();
    CountDownLatch closed = new CountDownLatch(1);
    Agent agent =
        new TestAgent(rounds::incrementAndGet) {
          @Override
          public void onStart() {
            throw new IllegalStateException("cannot start");
          }

          @Override
          public void onClose() {
            closed.countDown();
          }
        };
    AgentRunner runner = runner(agent, (failed, error) -> Decision.GO_ON).start();
    runner.thread().join();

    assertThat(rounds).hasValue(0);
    assertThat(closed.getCount()).isZero();
    runner.close();
  }

  @Test
  void closeGivesUpOnAnAgentThatHangs() throws InterruptedException {
    CountDownLatch hanging = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    Agent agent =
        agent(() -> {
          hanging.countDown();
          await(release);
          return 0;
        });
    AgentRunner runner =
        new AgentRunner(
            agent,
            DEEP_SLEEP,
            List.of(),
            SystemClock.INSTANCE,
            AgentErrorHandler.LOG_AND_STOP,
            Duration.ofMillis(5));
    runner.start();
    await(hanging);

    assertThatThrownBy(runner::close)
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("agent test still works PT0.005S after");

    release.countDown();
    runner.thread().join();
  }

  @Test
  void agentMayCloseItsOwnRunner() throws InterruptedException {
    AtomicReference<AgentRunner> runner = new AtomicReference<>();
    Agent agent =
        agent(() -> {
          runner.get().close();
          return 1;
        });
    runner.set(new AgentRunner(agent, DEEP_SLEEP, List.of()));
    runner.get().start();

    runner.get().thread().join();

    assertThat(runner.get().thread().isAlive()).isFalse();
  }

  @Test
  void runnerThatWasNeverStartedClosesAndDoesNotStart() {
    AgentRunner runner = new AgentRunner(agent(() -> 0), Idle.DEFAULT, List.of());
    runner.close();
    runner.close();

    assertThatThrownBy(runner::start).isInstanceOf(IllegalStateException.class);
  }

  private static int drain(WakeableQueue<Integer> queue, LinkedBlockingQueue<Integer> seen) {
    Integer element = queue.poll();
    if (element == null) {
      return 0;
    }
    seen.add(element);
    return 1;
  }

  private static AgentRunner runner(Agent agent, AgentErrorHandler handler) {
    Duration timeout = Duration.ofSeconds(30);
    return new AgentRunner(agent, DEEP_SLEEP, List.of(), SystemClock.INSTANCE, handler, timeout);
  }

  private static Agent agent(IntSupplier work) {
    return new TestAgent(work);
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static class TestAgent implements Agent {
    private final IntSupplier work;

    TestAgent(IntSupplier work) {
      this.work = work;
    }

    @Override
    public int doWork() {
      return work.getAsInt();
    }

    @Override
    public String roleName() {
      return "test";
    }
  }
}
