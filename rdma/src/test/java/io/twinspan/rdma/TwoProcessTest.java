package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import io.twinspan.rdma.LinkPair.End;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Side A here, side B in another process, which is killed, stopped, and raced against. */
class TwoProcessTest implements LinkListener {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final int REVOCATIONS = 150;

  @TempDir Path directory;
  private Link link;
  private End messages;
  private End stamps;
  private MemorySegment inbox;
  private MemorySegment landing;
  private final MemorySegment message = Arena.ofAuto().allocate(PeerMain.MESSAGE_BYTES, 8);
  private final WorkRequest request = new WorkRequest();
  private final List<LinkDown> downs = new ArrayList<>();
  private final List<Long> echoes = new ArrayList<>();
  private final List<Long> reports = new ArrayList<>();
  private @Nullable MemoryRegion inboxRegion;
  private Process peer;

  @BeforeEach
  void start() throws IOException {
    Path socket = directory.resolve("link.sock");
    link = LinkPair.open(Side.A, socket, ChannelPlan.defaults(), SystemClock.INSTANCE);
    LinkPair.Node node = new LinkPair.Node(link);
    link.listener(this);
    messages = node.end(ChannelPlan.MANAGEMENT);
    stamps = node.end(ChannelPlan.MIRROR);
    inbox = messages.channel().allocate((long) PeerMain.MESSAGES * PeerMain.MESSAGE_BYTES);
    landing = stamps.channel().allocate(PeerMain.STAMP_BYTES);
    peer = spawn(socket);
    runUntil(this::isConnected);
  }

  @AfterEach
  void stop() throws InterruptedException {
    link.close();
    peer.destroyForcibly().waitFor();
  }

  @Test
  void messagesGoToAnotherProcessAndBack() {
    for (long i = 0; i < 1000; i++) {
      send(i);
      long expected = i + 1;
      runUntil(() -> echoes.size() == expected);
    }
    assertThat(echoes).startsWith(0L, 1L, 2L).endsWith(998L, 999L);
    ChannelCounters counters = link.channel(ChannelPlan.MANAGEMENT).counters();
    runUntil(() -> counters.sentOperations() == 1000); // the last ones complete when there is time
  }

  @Test
  void aKilledPeerIsKnownToBeDeadAndANewOneIsAnotherLife() throws Exception {
    peer.destroyForcibly();
    runUntil(() -> !downs.isEmpty());
    assertThat(downs.getFirst().kind()).isIn(LinkDown.Kind.DEATH, LinkDown.Kind.EOF);

    peer = spawn(directory.resolve("link.sock"));
    runUntil(this::isConnected);
    assertThat(link.generation()).isEqualTo(2);
    send(5);
    runUntil(() -> echoes.contains(5L));
  }

  @Test
  void aStoppedPeerIsSeenByItsHeartbeatAndWhatItWritesAfterwardsIsNotSuccessful() {
    MemoryRegion region = grant();
    runUntil(() -> firstStamp() > 20);

    kill(Signal.STOP);
    runUntil(() -> !downs.isEmpty());
    long visible = Math.min(firstStamp(), lastStamp());
    assertThat(downs.getFirst().kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
    assertThat(region.isValid()).isFalse();

    kill(Signal.CONT);
    runUntil(() -> isConnected() && !reports.isEmpty());
    assertThat(link.generation()).isEqualTo(2);
    assertThat(reports.getFirst()).isBetween(1L, visible);
  }

  @Test
  void whatThePeerIsToldWasWrittenWasVisibleBeforeTheRegionWasDeregistered() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < REVOCATIONS; round++) {
      MemoryRegion region = grant();
      long from = firstStamp();
      runUntil(() -> firstStamp() > from);
      for (int spins = random.nextInt(20_000); spins > 0; spins--) {
        Thread.onSpinWait();
      }

      region.close();
      long visible = Math.min(firstStamp(), lastStamp());

      int reported = reports.size();
      runUntil(() -> reports.size() > reported);
      assertThat(reports.getLast())
          .as("round %d, seed %d", round, seed)
          .isLessThanOrEqualTo(visible);
      runUntil(this::isConnected);
    }
    assertThat(downs).isEmpty();
  }

  @Test
  void anIdlePairSleeps() {
    AtomicLong rounds = new AtomicLong();
    Agent agent =
        new Agent() {
          @Override
          public int doWork() {
            rounds.incrementAndGet();
            return step();
          }

          @Override
          public String roleName() {
            return "side-a";
          }

          @Override
          public long nextDeadlineNs() {
            return link.nextDeadlineNs();
          }
        };
    try (AgentRunner _ = new AgentRunner(agent, Idle.DEFAULT, link.wakeSources()).start()) {
      sleep(Duration.ofMillis(200));
      long before = rounds.get();
      sleep(Duration.ofSeconds(1));
      long idleRounds = rounds.get() - before;
      // 20 heartbeats a second, and a few rounds for each; a thread that spins does a million.
      assertThat(idleRounds).isLessThan(5_000);
      assertThat(downs).isEmpty();
    }
  }

  // --- side A, in the test's thread

  private int step() {
    int work = link.doWork();
    WorkCompletion completion = messages.completion();
    while (messages.cq().poll(completion)) {
      work++;
      if (completion.isSuccess() && completion.opcode() == WcOpcode.RECV) {
        receive(completion.wrId());
      }
    }
    while (stamps.cq().poll(stamps.completion())) {
      work++;
    }
    if (stamps.qp().state() == QpState.ERR && link.isUp()) {
      stamps.qp().reset().init().connect();
      work++;
    }
    return work;
  }

  private void receive(long index) {
    long offset = index * PeerMain.MESSAGE_BYTES;
    long kind = inbox.get(JAVA_LONG, offset);
    (kind == PeerMain.REPORT ? reports : echoes).add(inbox.get(JAVA_LONG, offset + 8));
    MemoryRegion region = inboxRegion;
    assertThat(region).isNotNull();
    if (region != null) {
      int _ = messages.qp().postReceive(index, region, offset, PeerMain.MESSAGE_BYTES);
    }
  }

  private void send(long value) {
    message.set(JAVA_LONG, 0, PeerMain.ECHO);
    message.set(JAVA_LONG, 8, value);
    request.send(1).inline(message, 0, PeerMain.MESSAGE_BYTES).signaled(false);
    assertThat(messages.qp().postSend(request)).isEqualTo(QueuePair.OK);
  }

  private MemoryRegion grant() {
    return stamps.channel().register(PeerMain.LANDING_SLOT, landing, Access.REMOTE_WRITE);
  }

  private long firstStamp() {
    return landing.get(JAVA_LONG, 0);
  }

  private long lastStamp() {
    return landing.get(JAVA_LONG, PeerMain.STAMP_BYTES - Long.BYTES);
  }

  private boolean isConnected() {
    return messages.qp().state() == QpState.RTS && stamps.qp().state() == QpState.RTS;
  }

  private void runUntil(BooleanSupplier condition) {
    long deadlineNs = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (step() == 0) {
        Thread.onSpinWait();
      }
      assertThat(System.nanoTime()).as("patience").isLessThan(deadlineNs);
    }
  }

  private void kill(Signal signal) {
    assertThat(Processes.kill(Math.toIntExact(peer.pid()), signal)).isTrue();
  }

  private static Process spawn(Path socket) throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    return new ProcessBuilder(
            java,
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            PeerMain.class.getName(),
            socket.toString())
        .inheritIO()
        .start();
  }

  private static void sleep(Duration duration) {
    try {
      Thread.sleep(duration);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void linkUp(long generation) {
    inboxRegion = PeerMain.prepare(messages, inbox);
    stamps.qp().reset().init().connect();
  }

  @Override
  public void linkDown(LinkDown why) {
    downs.add(why);
  }
}
