package io.twinspan.nvme;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.concurrent.WakeableQueue;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The thread that carries the I/O commands of all processes to the drive and the completions back.
 * Sessions hand queues over and take them back by requests, which it carries out between two
 * rounds. It never blocks and never waits for a process.
 */
final class BrokerAgent implements Agent, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BrokerAgent.class);
  private static final int REQUESTS = 256;

  private record Attached(BrokeredQueue queue, Runnable onFault) {}

  private record Condition(BooleanSupplier holds, CompletableFuture<Void> reached) {}

  private final String name;
  private final WakeableQueue<Runnable> requests = new WakeableQueue<>(REQUESTS);
  private final ArrayList<Attached> queues = new ArrayList<>();
  private final ArrayList<Condition> conditions = new ArrayList<>();
  private final AgentRunner runner;

  BrokerAgent(String name) {
    this.name = name;
    AgentErrorHandler goOn =
        (agent, error) -> {
          LOG.error("{}: a round failed", agent.roleName(), error);
          return AgentErrorHandler.Decision.GO_ON;
        };
    runner =
        new AgentRunner(
            this,
            Idle.DEFAULT,
            List.of(requests),
            SystemClock.INSTANCE,
            goOn,
            AgentRunner.DEFAULT_CLOSE_TIMEOUT);
    var _ = runner.start();
  }

  /**
   * Serves a queue from now on.
   *
   * @param onFault called once, on this thread, if the process does something wrong or the drive
   *     goes; must not block
   */
  void attach(BrokeredQueue queue, Runnable onFault, long timeoutNs) {
    run(
        () -> {
          queues.add(new Attached(queue, onFault));
          runner.add(queue);
          WakeSource interrupt = queue.interrupt();
          if (interrupt != null) {
            runner.add(interrupt);
          }
        },
        timeoutNs);
  }

  /** Serves a queue no more: when this returns, this thread does not touch it. */
  void detach(BrokeredQueue queue, long timeoutNs) {
    run(
        () -> {
          if (queues.removeIf(each -> each.queue == queue)) {
            runner.remove(queue);
            WakeSource interrupt = queue.interrupt();
            if (interrupt != null) {
              runner.remove(interrupt);
            }
          }
        },
        timeoutNs);
  }

  /** Runs something between two rounds, and waits for it. */
  void run(Runnable request, long timeoutNs) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    submit(() -> {
      try {
        request.run();
        done.complete(null);
      } catch (RuntimeException e) {
        done.completeExceptionally(e);
      }
    });
    await(done, timeoutNs);
  }

  /** Waits until something holds, which this thread asks after each round. */
  void await(BooleanSupplier condition, long timeoutNs) {
    CompletableFuture<Void> reached = new CompletableFuture<>();
    submit(() -> conditions.add(new Condition(condition, reached)));
    await(reached, timeoutNs);
  }

  @Override
  public int doWork() {
    int work = 0;
    Runnable request = requests.poll();
    while (request != null) {
      request.run();
      work++;
      request = requests.poll();
    }
    for (int i = 0; i < queues.size(); i++) {
      Attached each = queues.get(i);
      boolean sound = each.queue.fault().isEmpty();
      work += each.queue.poll();
      if (sound && !each.queue.fault().isEmpty()) {
        each.onFault.run();
      }
    }
    if (!conditions.isEmpty()) {
      conditions.removeIf(each -> each.holds.getAsBoolean() && each.reached.complete(null));
    }
    return work;
  }

  @Override
  public long nextDeadlineNs() {
    long next = NO_DEADLINE;
    for (int i = 0; i < queues.size(); i++) {
      next = Math.min(next, queues.get(i).queue.nextDeadlineNs());
    }
    return next;
  }

  @Override
  public String roleName() {
    return name;
  }

  /** Ends the thread; queues must have been detached. */
  @Override
  public void close() {
    runner.close();
    requests.close();
  }

  private void submit(Runnable request) {
    if (!requests.offer(request)) {
      throw new NvmeException(name + " has more requests than it takes");
    }
  }

  private void await(CompletableFuture<Void> done, long timeoutNs) {
    try {
      done.get(timeoutNs, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new NvmeException(name + ": interrupted", e);
    } catch (ExecutionException e) {
      throw new NvmeException(name + ": " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new NvmeException(name + " was not done in time", e);
    }
  }
}
