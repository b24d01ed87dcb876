package io.twinspan.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Side A in a thread of its own, which notes how long the peer's heartbeat stood still. */
final class Watcher implements Agent, BridgeListener, AutoCloseable {
  private static final long PATIENCE_S = 60;

  final BlockingQueue<LinkDown> downs = new LinkedBlockingQueue<>();
  private final BlockingQueue<ShmEndpoint> ups = new LinkedBlockingQueue<>();
  private final List<Double> gapsMs = new ArrayList<>();
  private final ShmBridge bridge;
  private final AgentRunner runner;
  private @Nullable ShmEndpoint endpoint;
  private long count;
  private long countedNs;

  Watcher(Path socket, boolean spinning) {
    bridge = new ShmBridge(BridgePeer.options(Side.A, socket));
    bridge.listener(this);
    Idle idle = new Idle(spinning ? Long.MAX_VALUE : 0, 0, Duration.ofSeconds(1).toNanos());
    runner = new AgentRunner(this, idle, List.of(bridge.wakeSource())).start();
  }

  /** Waits for the next life, until the peer's lifeline is there and both sides are at rest. */
  void awaitUp() throws InterruptedException {
    ShmEndpoint newborn = ups.poll(PATIENCE_S, TimeUnit.SECONDS);
    assertThat(newborn).isNotNull();
    while (Objects.requireNonNull(newborn).deathWord() == 0) {
      Thread.sleep(1);
    }
    Thread.sleep(20);
  }

  LinkDown awaitDown() throws InterruptedException {
    LinkDown down = downs.poll(PATIENCE_S, TimeUnit.SECONDS);
    assertThat(down).isNotNull();
    return Objects.requireNonNull(down);
  }

  /** How long after one beat the next one was seen, each; after {@link #close}. */
  List<Double> gapsMs() {
    return gapsMs;
  }

  static String distribution(List<Double> ms) {
    double[] sorted = ms.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    int last = sorted.length - 1;
    if (last < 0) {
      return "nothing";
    }
    return "n %d, p50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f ms"
        .formatted(
            sorted.length,
            sorted[last / 2],
            sorted[(int) Math.ceil(last * 0.9)],
            sorted[(int) Math.ceil(last * 0.99)],
            sorted[(int) Math.ceil(last * 0.999)],
            sorted[last]);
  }

  @Override
  public int doWork() {
    long nowNs = SystemClock.INSTANCE.nanoTime();
    int work = bridge.doWork(nowNs);
    if (endpoint != null && endpoint.peerHeartbeat() != count) {
      gapsMs.add((nowNs - countedNs) / 1e6);
      count = endpoint.peerHeartbeat();
      countedNs = nowNs;
    }
    return work;
  }

  @Override
  public String roleName() {
    return "watcher";
  }

  @Override
  public long nextDeadlineNs() {
    return bridge.nextDeadlineNs();
  }

  @Override
  public void linkUp(BridgeEndpoint newborn) {
    endpoint = (ShmEndpoint) newborn;
    count = endpoint.peerHeartbeat();
    countedNs = SystemClock.INSTANCE.nanoTime();
    ups.add(endpoint);
  }

  @Override
  public void linkDown(LinkDown why) {
    endpoint = null;
    downs.add(why);
  }

  @Override
  public void onClose() {
    bridge.close();
  }

  @Override
  public void close() {
    runner.close();
  }
}
