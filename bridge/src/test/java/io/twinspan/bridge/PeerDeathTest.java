package io.twinspan.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * How long after its SIGKILL a peer is known to be dead, by the death word and by the end of a
 * socket of the same process (its standard output). Prints both distributions; {@code
 * -Dtwinspan.deaths=N} says how many kills there are of each kind.
 */
@Tag("long")
class PeerDeathTest implements BridgeListener {
  private static final int BATCH = 8;
  private static final long PATIENCE_S = 30;

  @TempDir Path directory;
  private final BlockingQueue<BridgeEndpoint> ups = new LinkedBlockingQueue<>();
  private final BlockingQueue<LinkDown> downs = new LinkedBlockingQueue<>();
  private final Queue<Process> peers = new ArrayDeque<>();
  private @Nullable ShmBridge bridge;

  @AfterEach
  void killAll() {
    peers.forEach(Process::destroyForcibly);
  }

  @ParameterizedTest(name = "{0} MiB of heap, {1} MiB of window, spinning {2}, {3} busy threads")
  @CsvSource({
    "8, 1, true, 0",
    "8, 1, false, 0",
    "8, 1, true, 2",
    "8, 1, false, 2",
    "224, 64, true, 0",
    "224, 64, false, 0",
    "224, 64, true, 2",
    "224, 64, false, 2",
  })
  void aKilledPeerIsKnownToBeDead(int heapMib, int windowMib, boolean spinning, int busy)
      throws Exception {
    int kills = Integer.getInteger("twinspan.deaths", 200);
    List<Double> linkMs = new ArrayList<>();
    List<Double> eofMs = new ArrayList<>();
    Map<LinkDown.Kind, Integer> kinds = new EnumMap<>(LinkDown.Kind.class);
    Path socket = directory.resolve("link.sock");
    bridge = new ShmBridge(BridgePeer.options(Side.A, socket));
    bridge.listener(this);
    Idle idle = new Idle(spinning ? Integer.MAX_VALUE : 0, 0, Duration.ofSeconds(1).toNanos());
    try (AgentRunner _ =
        new AgentRunner(new Watcher(), idle, List.of(bridge.wakeSource())).start()) {
      while (linkMs.size() < kills) {
        if (peers.isEmpty()) {
          prepare(socket, heapMib, windowMib);
        }
        try (Load _ = new Load(busy)) {
          Kill kill = kill(peers.remove());
          linkMs.add(kill.linkMs);
          eofMs.add(kill.eofMs);
          kinds.merge(kill.kind, 1, Integer::sum);
        }
      }
    }
    System.out.printf(
        "%d MiB heap, %d MiB window, %s, %d busy: %s%n  link down: %s%n  EOF:       %s%n",
        heapMib,
        windowMib,
        spinning ? "spinning" : "sleeping",
        busy,
        kinds,
        distribution(linkMs),
        distribution(eofMs));
    assertThat(kinds.keySet()).isSubsetOf(LinkDown.Kind.DEATH, LinkDown.Kind.EOF);
  }

  private record Kill(LinkDown.Kind kind, double linkMs, double eofMs) {}

  private Kill kill(Process peer) throws Exception {
    BridgePeer.go(peer);
    BridgeEndpoint endpoint = ups.poll(PATIENCE_S, TimeUnit.SECONDS);
    assertThat(endpoint).isInstanceOf(ShmEndpoint.class);
    while (endpoint instanceof ShmEndpoint shm && shm.deathWord() == 0) {
      Thread.sleep(1); // its lifeline comes
    }
    Thread.sleep(20); // and now it is at rest
    long[] eofNs = new long[1];
    Thread eof = Thread.ofPlatform().start(() -> eofNs[0] = awaitEnd(peer));
    Thread.sleep(5);
    long killedNs = System.nanoTime();
    assertThat(Processes.kill(Math.toIntExact(peer.pid()), Signal.KILL)).isTrue();
    LinkDown down = downs.poll(PATIENCE_S, TimeUnit.SECONDS);
    assertThat(down).isNotNull();
    eof.join();
    return new Kill(down.kind(), (down.detectedNs() - killedNs) / 1e6, (eofNs[0] - killedNs) / 1e6);
  }

  private static long awaitEnd(Process peer) {
    try {
      while (peer.getInputStream().read() >= 0) {
        Thread.onSpinWait();
      }
      return System.nanoTime();
    } catch (IOException e) {
      return System.nanoTime();
    }
  }

  private void prepare(Path socket, int heapMib, int windowMib) throws IOException {
    for (int i = 0; i < BATCH; i++) {
      peers.add(BridgePeer.spawn(socket, (long) windowMib << 20, heapMib, 0));
    }
    for (Process peer : peers) {
      BridgePeer.awaitReady(peer);
    }
  }

  private static String distribution(List<Double> ms) {
    double[] sorted = ms.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    int last = sorted.length - 1;
    return "n %d, p50 %.2f, p90 %.2f, p99 %.2f, max %.2f ms"
        .formatted(
            sorted.length,
            sorted[last / 2],
            sorted[last * 9 / 10],
            sorted[(int) Math.ceil(last * 0.99)],
            sorted[last]);
  }

  @Override
  public void linkUp(BridgeEndpoint endpoint) {
    ups.add(endpoint);
  }

  @Override
  public void linkDown(LinkDown why) {
    downs.add(why);
  }

  /** Runs side A. */
  private final class Watcher implements Agent {
    @Override
    public int doWork() {
      return bridge == null ? 0 : bridge.doWork(SystemClock.INSTANCE.nanoTime());
    }

    @Override
    public String roleName() {
      return "watcher";
    }

    @Override
    public long nextDeadlineNs() {
      return bridge == null ? NO_DEADLINE : bridge.nextDeadlineNs();
    }

    @Override
    public void onClose() {
      if (bridge != null) {
        bridge.close();
      }
    }
  }
}
