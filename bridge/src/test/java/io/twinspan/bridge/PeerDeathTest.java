package io.twinspan.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * How long it takes until a peer is known to be dead, stopped or hung, and whether one is taken for
 * dead that is none of these. Prints what it measures.
 *
 * <ul>
 *   <li>{@code -Dtwinspan.deaths=N}: kills of each kind
 *   <li>{@code -Dtwinspan.stops=N}: how often a peer is stopped, each
 *   <li>{@code -Dtwinspan.starvation=DURATION}: how long both sides are starved, such as PT1H
 *   <li>{@code -Dtwinspan.busy=N}: busy threads meanwhile
 *   <li>{@code -Dtwinspan.garbage=N}: how many MiB a second each side allocates meanwhile
 * </ul>
 */
@Tag("long")
class PeerDeathTest {
  private static final int BATCH = 8;

  @TempDir Path directory;
  private final Queue<Process> peers = new ArrayDeque<>();

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
    try (Watcher watcher = new Watcher(socket(), spinning)) {
      while (linkMs.size() < kills) {
        if (peers.isEmpty()) {
          prepare(heapMib, windowMib);
        }
        try (Load _ = new Load(busy)) {
          Kill kill = kill(watcher, peers.remove());
          linkMs.add(kill.linkMs);
          eofMs.add(kill.eofMs);
          kinds.merge(kill.kind, 1, Integer::sum);
        }
      }
    }
    System.out.printf(
        "%d MiB heap, %d MiB window, %s, %d busy: %s%n  link down:     %s%n  end of a pipe: %s%n",
        heapMib,
        windowMib,
        spinning ? "spinning" : "sleeping",
        busy,
        kinds,
        Watcher.distribution(linkMs),
        Watcher.distribution(eofMs));
    assertThat(kinds.keySet()).isSubsetOf(LinkDown.Kind.DEATH, LinkDown.Kind.EOF);
  }

  @ParameterizedTest(name = "spinning {0}, {1} busy threads")
  @CsvSource({"true, 0", "false, 0", "true, 10", "false, 10"})
  void aStoppedPeerIsKnownWithinTheLimitAndComesBack(boolean spinning, int busy) throws Exception {
    int stops = Integer.getInteger("twinspan.stops", 50);
    Random random = new Random(1);
    List<Double> stoppedMs = new ArrayList<>();
    try (Watcher watcher = new Watcher(socket(), spinning)) {
      Process peer = start(8, 0);
      for (int i = 0; i < stops; i++) {
        watcher.awaitUp();
        try (Load _ = new Load(busy)) {
          Thread.sleep(random.nextInt(100));
          long stoppedNs = System.nanoTime();
          signal(peer, Signal.STOP);
          LinkDown down = watcher.awaitDown();
          assertThat(down.kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
          stoppedMs.add((down.detectedNs() - stoppedNs) / 1e6);
        }
        signal(peer, Signal.CONT);
      }
    }
    System.out.printf(
        "stopped, %s, %d busy: %s%n",
        spinning ? "spinning" : "sleeping", busy, Watcher.distribution(stoppedMs));
  }

  @ParameterizedTest(name = "by {0}")
  @ValueSource(chars = {BridgePeer.LOOP, BridgePeer.DEADLOCK})
  void aPeerWhoseAgentHangsIsFoundThoughItsProcessLives(char how) throws Exception {
    try (Watcher watcher = new Watcher(socket(), false)) {
      Process peer = start(8, 0);
      watcher.awaitUp();
      long fromNs = System.nanoTime();
      BridgePeer.tell(peer, how);
      LinkDown down = watcher.awaitDown();
      assertThat(down.kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
      System.out.printf("hung: %.1f ms%n", (down.detectedNs() - fromNs) / 1e6);
    }
  }

  @Test
  void nobodyIsTakenForDeadWhoIsOnlyStarved() throws Exception {
    Duration duration = Duration.parse(System.getProperty("twinspan.starvation", "PT2M"));
    int busy = Integer.getInteger("twinspan.busy", 10);
    int garbageMib = Integer.getInteger("twinspan.garbage", 400);
    Thread garbage = Thread.ofPlatform().daemon().unstarted(() -> Load.allocate(garbageMib));
    Watcher watcher = new Watcher(socket(), false);
    try (watcher;
        Load _ = new Load(busy)) {
      garbage.start();
      Process peer = start(64, garbageMib);
      watcher.awaitUp();
      Thread.sleep(duration);
      BridgePeer.tell(peer, BridgePeer.END);
    } finally {
      garbage.interrupt();
    }
    System.out.printf(
        "starved for %s beside %d busy threads, deaths %s%n  beats seen: %s%n",
        duration, busy, watcher.downs, Watcher.distribution(watcher.gapsMs()));
    assertThat(watcher.downs).allMatch(down -> down.kind() == LinkDown.Kind.GOODBYE);
  }

  private record Kill(LinkDown.Kind kind, double linkMs, double eofMs) {}

  private static Kill kill(Watcher watcher, Process peer) throws Exception {
    BridgePeer.tell(peer, BridgePeer.GO);
    watcher.awaitUp();
    long[] endNs = new long[1];
    Thread end = Thread.ofPlatform().start(() -> endNs[0] = awaitEnd(peer));
    Thread.sleep(5);
    long killedNs = System.nanoTime();
    signal(peer, Signal.KILL);
    LinkDown down = watcher.awaitDown();
    end.join();
    return new Kill(down.kind(), (down.detectedNs() - killedNs) / 1e6, (endNs[0] - killedNs) / 1e6);
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

  private static void signal(Process peer, Signal signal) {
    assertThat(Processes.kill(Math.toIntExact(peer.pid()), signal)).isTrue();
  }

  private Process start(int heapMib, int garbageMib) throws IOException {
    Process peer = BridgePeer.spawn(socket(), 1 << 20, heapMib, garbageMib);
    peers.add(peer);
    BridgePeer.awaitReady(peer);
    BridgePeer.tell(peer, BridgePeer.GO);
    return peer;
  }

  private void prepare(int heapMib, int windowMib) throws IOException {
    for (int i = 0; i < BATCH; i++) {
      peers.add(BridgePeer.spawn(socket(), (long) windowMib << 20, heapMib, 0));
    }
    for (Process peer : peers) {
      BridgePeer.awaitReady(peer);
    }
  }

  private Path socket() {
    return directory.resolve("link.sock");
  }
}
