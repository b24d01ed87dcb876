package io.twinspan.controller;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.MpscQueue;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.concurrent.WakeableQueue;
import io.twinspan.linux.TwinspanException;
import io.twinspan.rdma.Link;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The core: the one agent that runs drives' completions, link, array node and pools. Others reach
 * it through two bounded queues: hosts' requests, and tasks of the control plane.
 */
final class ControllerCore implements Agent {
  private static final int HOST_QUEUE = 1024;
  private static final int TASK_QUEUE = 64;
  private static final int REQUESTS_PER_TURN = 64;

  private final DriveBay drives;
  private final Link link;
  private final ArrayNode node;
  private final MpscQueue<HostRequest> hosts = new MpscQueue<>(HOST_QUEUE);
  private final WakeableQueue<Runnable> tasks = new WakeableQueue<>(TASK_QUEUE);
  private @Nullable HostRequest held;

  ControllerCore(DriveBay drives, Link link, ArrayNode node) {
    this.drives = drives;
    this.link = link;
    this.node = node;
  }

  /**
   * Hands a host's request over; any thread, which then wakes or assists the core. False when the
   * queue is full.
   */
  boolean submit(HostRequest request) {
    return hosts.offer(request);
  }

  /** Whether hosts' requests wait to be looked at; any thread. */
  boolean hasRequests() {
    return hosts.size() > 0;
  }

  /** Runs a task on the core's thread and waits for what it completes the future with. */
  <T> T ask(Duration timeout, Consumer<CompletableFuture<T>> task) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    if (!tasks.offer(() -> run(task, answer))) {
      throw new TwinspanException("the controller is busy: try again");
    }
    try {
      return answer.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new TwinspanException(
          "the controller did not answer within " + timeout.toSeconds() + " s", e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof TwinspanException known
          ? known
          : new TwinspanException(String.valueOf(e.getCause()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    }
  }

  private static <T> void run(Consumer<CompletableFuture<T>> task, CompletableFuture<T> answer) {
    try {
      task.accept(answer);
    } catch (RuntimeException e) {
      answer.completeExceptionally(e); // whoever asked is told; the core goes on
    }
  }

  @Override
  public int doWork() {
    int work = drives.poll();
    Runnable task = tasks.poll();
    while (task != null) {
      task.run();
      work++;
      task = tasks.poll();
    }
    work += node.doWork(); // looks for the peer's death before hosts' new requests
    work += admit();
    if (work == 0 && !drives.hasDrives()) {
      throw new TwinspanException(
          "most drives are gone: the controller ends, start the array again");
    }
    return work;
  }

  private int admit() {
    for (int n = 0; n < REQUESTS_PER_TURN; n++) {
      HostRequest request = held == null ? hosts.poll() : held;
      held = null;
      if (request == null) {
        return n;
      }
      if (!node.submit(request)) {
        held = request; // the array is full: hosts wait
        return n;
      }
    }
    return REQUESTS_PER_TURN;
  }

  @Override
  public String roleName() {
    return "core";
  }

  @Override
  public long nextDeadlineNs() {
    long deadline = Math.min(node.nextDeadlineNs(), drives.nextDeadlineNs());
    return Math.min(deadline, link.nextDeadlineNs());
  }

  @Override
  public void onClose() {
    HostRequest request = held == null ? hosts.poll() : held;
    held = null;
    while (request != null) {
      request.completed(HostStatus.SHUTDOWN);
      request = hosts.poll();
    }
  }

  /** What wakes the core, apart from hosts' requests. */
  List<WakeSource> wakeSources() {
    List<WakeSource> sources = new ArrayList<>(drives.wakeSources());
    sources.addAll(link.wakeSources());
    sources.add(tasks);
    return sources;
  }
}
