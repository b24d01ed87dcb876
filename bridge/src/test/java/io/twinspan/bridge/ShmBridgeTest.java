package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Futex;
import io.twinspan.linux.Poller;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Random;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ShmBridgeTest extends BothSidesTest {

  private final FakeWitness witness = new FakeWitness();

  @Test
  void aHeartbeatThatStandsStillTakesTheLinkDown() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    for (int i = 0; i < 100; i++) {
      nowNs += 50 * MS;
      run(1);
    }
    assertThat(a.downs).as("while both beat").isEmpty();

    nodes.remove(b); // hangs
    long silentFromNs = nowNs;
    while (a.downs.isEmpty() && nowNs < silentFromNs + 10_000 * MS) {
      nowNs += 10 * MS;
      run(1);
    }

    LinkDown down = a.downs.getFirst();
    assertThat(down.kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
    assertThat(down.lastSignOfLifeNs()).isBetween(silentFromNs, silentFromNs + 20 * MS);
    assertThat(down.detectedNs() - down.lastSignOfLifeNs()).isBetween(250 * MS, 270 * MS);

    nodes.add(b); // wakes: notices first that it was given up, then comes back
    runUntil(() -> b.downs.size() == 1);
    assertThat(b.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.EOF);
    runUntilUp(a, b);
    assertThat(b.bridge.generation()).isEqualTo(2);
  }

  @Test
  void aPeerThatIsStarvedIsGivenThirtyTimesTheLimit() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    run(1);
    nodes.remove(b);
    witness.evidence = new Witness.Evidence(Long.MAX_VALUE, false);
    long silentFromNs = nowNs;
    while (a.downs.isEmpty() && nowNs < silentFromNs + 60_000 * MS) {
      nowNs += 10 * MS;
      run(1);
    }

    assertThat(a.downs.getFirst().detectedNs() - silentFromNs).isBetween(8_900 * MS, 9_020 * MS);
    nodes.add(b);
  }

  @Test
  void refusesAWrongSecretAndTheRightOneStillGetsIn() {
    Node a = node(Side.A);
    Node stranger = add(new ShmBridge(new ShmOptions(Side.B, socket(), ARRAY, WRONG_SECRET)));
    run(50);
    assertThat(a.endpoint).isNull();
    assertThat(stranger.endpoint).isNull();
    assertThat(a.ups + stranger.ups).isZero();

    stranger.bridge.close();
    Node b = node(Side.B);
    runUntilUp(a, b);
  }

  @Test
  void refusesWhatBelongsToAnotherArrayOrIsPlannedDifferently() {
    Node a = node(Side.A);
    Contract other = Contract.equal(new byte[] {1});
    Node b = node(Side.B, options -> options.contract(other));
    run(50);
    assertThat(a.ups + b.ups).isZero();
    b.bridge.close();

    ShmOptions foreign = new ShmOptions(Side.B, socket(), new UUID(9, 9), SECRET);
    Node c = add(new ShmBridge(foreign));
    run(50);
    assertThat(a.ups + c.ups).isZero();
  }

  @Test
  void garbageOversizedAndHalfOpenConnectionsDisturbNobody() {
    Node a = node(Side.A);
    try (UnixSocket garbage = connect();
        UnixSocket oversized = connect();
        UnixSocket silent = connect()) {
      sendBytes(garbage, "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      byte[] header = {0x54, 0x4C, 0x4E, 0x4B, 1, 0, 1, 0, -1, -1, -1, 127, 0, 0, 0, 0};
      sendBytes(oversized, header);
      Node b = node(Side.B);
      runUntilUp(a, b);

      assertThat(isEnded(garbage)).isTrue();
      assertThat(isEnded(oversized)).isTrue();
      assertThat(isEnded(silent)).as("it has a second").isFalse();
      beatFor(1_100);
      assertThat(isEnded(silent)).isTrue();

      try (UnixSocket late = connect()) {
        sendBytes(late, new byte[5000]);
        beatFor(100);
        assertThat(isEnded(late)).isTrue();
      }
      assertThat(a.downs).isEmpty();
      assertThat(a.endpoint().generation()).isEqualTo(1);
    }
  }

  @Test
  void mutilatedHellosAreRefusedWithoutHarm() {
    Node a = node(Side.A);
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Hello hello =
        Hello.of(ARRAY, ARRAY, new byte[32], 0, 1 << 20, 1 << 16, 1, Side.B, "name", new byte[20]);
    byte[] good = new byte[16 + hello.encoded().remaining()];
    ByteBuffer frame = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN);
    frame.putInt(0x4B4E_4C54).putShort((short) 1).putShort((short) 1).putInt(good.length);
    frame.putInt(0).put(hello.encoded().duplicate());
    for (int i = 0; i < 300; i++) {
      byte[] bad = Arrays.copyOf(good, 1 + random.nextInt(good.length + 40));
      for (int j = random.nextInt(6); j > 0; j--) {
        int at = 4 + random.nextInt(Math.max(1, bad.length - 4));
        if (at < bad.length) {
          bad[at] = (byte) random.nextInt(256);
        }
      }
      try (UnixSocket socket = connect()) {
        sendBytes(socket, bad);
        run(2);
      }
      assertThat(a.ups).as("seed %d", seed).isZero();
    }
    beatFor(1_100);
    Node b = node(Side.B);
    runUntilUp(a, b);
  }

  @Test
  void aSecondPeerIsRefusedWhileTheLinkIsUp() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);

    Node second = node(Side.B);
    beatFor(300);
    assertThat(second.ups).isZero();
    assertThat(a.downs).isEmpty();

    b.bridge.close();
    runUntilUp(a, second);
    assertThat(second.bridge.generation()).isEqualTo(2);
  }

  @Test
  void whatAStoppedPeerStillStoresIntoItsControlWindowIsSeenByNobody() {
    Node a = node(Side.A);
    Node stopped = node(Side.B);
    runUntilUp(a, stopped);
    ShmEndpoint former = page(stopped);
    nodes.remove(stopped);
    runUntil(() -> a.downs.size() == 1);
    Node b = node(Side.B);
    runUntilUp(a, b);
    a.bridge.wakeSource().arm();
    long heartbeat = page(a).peerHeartbeat();

    for (long i = 0; i < former.remoteControl().byteSize(); i += Long.BYTES) {
      former.remoteControl().set(JAVA_LONG, i, -1);
    }
    for (int i = 0; i < BridgeEndpoint.SCRATCHPADS; i++) {
      former.peerScratchpad(i, -1);
    }
    former.arm();
    former.beat();
    former.ring();

    for (long i = 0; i < page(a).localControl().byteSize(); i += Long.BYTES) {
      assertThat(page(a).localControl().get(JAVA_LONG, i)).isZero();
    }
    assertThat(page(a).scratchpad(0)).isZero();
    assertThat(page(a).peerHeartbeat()).isEqualTo(heartbeat);
    beatFor(1_000);
    assertThat(a.downs).hasSize(1);
    assertThat(b.downs).isEmpty();

    b.bridge.close(); // makes room
    nodes.remove(b);
    nodes.add(stopped); // wakes, and finds that it was given up
    runUntil(() -> stopped.downs.size() == 1);
    runUntilUp(a, stopped);
    assertThat(a.bridge.generation()).isEqualTo(3);
  }

  @Test
  void hugePagesAreUsedWhereThereAreEnoughAndOrdinaryOnesElsewhere() {
    Node a = node(Side.A, options -> options.windowBytes(3 << 20));
    Node b = node(Side.B, options -> options.hugePages(false));
    runUntilUp(a, b);

    assertThat(a.bridge.local().lengthBytes()).isIn(3L << 20, 4L << 20);
    assertThat(b.endpoint().remote().lengthBytes()).isEqualTo(a.bridge.local().lengthBytes());
    assertThat(b.bridge.local().lengthBytes()).isEqualTo(1 << 20);
    b.endpoint().remote().segment().set(JAVA_LONG, (3 << 20) - 8, 42);
    assertThat(a.bridge.local().segment().get(JAVA_LONG, (3 << 20) - 8)).isEqualTo(42);
  }

  @Test
  void everyLifeHasItsDeathWordAndAGoodbyeTakesItBack() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    for (int life = 1; life <= 20; life++) {
      runUntilUp(a, b);
      spinUntil(() -> page(a).deathWord() != 0 && page(b).deathWord() != 0);
      assertThat(page(a).deathWord() & Futex.WAITERS).isNotZero();
      a.bridge.fail(LinkDown.Kind.PROTOCOL, "for once");
      int lives = life;
      runUntil(() -> b.downs.size() == lives);
    }
    assertThat(lifelines()).isEqualTo(2);

    b.bridge.close();
    a.bridge.close();
    assertThat(lifelines()).isZero();
    assertThat(a.downs).hasSize(20).noneMatch(down -> down.kind() == LinkDown.Kind.DEATH);
  }

  @Test
  void aPeerThatPretendsToHaveDiedEndsThisLifeOnly() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);

    page(a).controlPage().set(JAVA_INT, ControlPage.DEATH, Futex.OWNER_DIED);
    nowNs += MS;
    a.bridge.doWork(nowNs);

    assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.DEATH);
    assertThat(a.downs.getFirst().detectedNs()).isEqualTo(nowNs);
    runUntilUp(a, b);
    assertThat(a.bridge.generation()).isEqualTo(2);
  }

  @Test
  void aDeathWordWakesABridgeThatSleeps() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    spinUntil(() -> page(a).deathWord() != 0);
    try (Poller sleeper = new Poller()) {
      sleeper.add(a.bridge.wakeSource().fd(), 0);
      assertThat(sleeper.await(0)).isZero();

      MemorySegment word = page(a).controlPage().asSlice(ControlPage.DEATH, Integer.BYTES);
      word.set(JAVA_INT, 0, Futex.OWNER_DIED | Futex.WAITERS);
      int _ = Futex.wake(word, 1);

      int ready = 0;
      while (ready == 0) {
        ready = sleeper.await(-1);
      }
      a.bridge.doWork(nowNs);
      assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.DEATH);
    }
  }

  @Test
  void aDeathWordThatKeepsChangingIsABreach() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    MemorySegment word = page(a).controlPage().asSlice(ControlPage.DEATH, Integer.BYTES);
    int[] value = {1};

    spinUntil(() -> {
      if (a.downs.isEmpty()) {
        word.set(JAVA_INT, 0, value[0]++);
        int _ = Futex.wake(word, 1);
      }
      a.bridge.wakeSource().disarm(); // it looks at its descriptors
      a.bridge.doWork(nowNs);
      return !a.downs.isEmpty();
    });

    assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.PROTOCOL);
    runUntilUp(a, b);
  }

  @Test
  void ringsASleepingPeerOncePerSleepAndAWakingOneNever() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    try (Poller sleeper = new Poller()) {
      sleeper.add(b.bridge.wakeSource().fd(), 0);

      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("awake").isZero();

      b.bridge.wakeSource().arm();
      a.endpoint().ring();
      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("asleep").isEqualTo(1);
      b.bridge.wakeSource().disarm();
      run(1);
      assertThat(sleeper.await(0)).as("drained").isZero();

      b.bridge.wakeSource().arm();
      assertThat(sleeper.await(0)).isZero();
      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("asleep again").isEqualTo(1);
    }
  }

  @Test
  void saysAtOnceThatAPathIsTooLong() {
    Path tooLong = directory.resolve("x".repeat(120));
    assertThatThrownBy(() -> new ShmOptions(Side.B, tooLong, ARRAY, SECRET))
        .hasMessageContaining("shorter directory");
  }

  @Test
  void asksToRunAgainForTheNextHeartbeat() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    assertThat(a.bridge.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    runUntilUp(a, b);
    run(1);
    assertThat(a.bridge.nextDeadlineNs() - nowNs).isBetween(1L, 50 * MS);
  }

  // --- two sides in one thread

  @Override
  Node node(Side side) {
    return node(side, options -> options);
  }

  private Node node(Side side, UnaryOperator<ShmOptions> more) {
    ShmOptions options = new ShmOptions(side, socket(), ARRAY, SECRET).witness(_ -> witness);
    return add(new ShmBridge(more.apply(options)));
  }

  private static ShmEndpoint page(Node node) {
    return (ShmEndpoint) node.endpoint();
  }

  private Path socket() {
    return directory.resolve("link.sock");
  }

  /** For what other threads do in their own time. */
  private static void spinUntil(BooleanSupplier condition) {
    while (!condition.getAsBoolean()) {
      assertThat(Thread.interrupted()).as("timed out").isFalse();
      Thread.onSpinWait();
    }
  }

  private static long lifelines() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("lifeline"))
        .count();
  }

  private UnixSocket connect() {
    UnixSocket socket = UnixSocket.connect(socket(), Duration.ZERO);
    socket.setNonBlocking(true);
    return socket;
  }

  private static void sendBytes(UnixSocket socket, byte[] bytes) {
    MemorySegment memory = Arena.ofAuto().allocate(bytes.length);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
    assertThat(socket.send(memory, 0, bytes.length)).isEqualTo(bytes.length);
  }

  private static boolean isEnded(UnixSocket socket) {
    MemorySegment buffer = Arena.ofAuto().allocate(8192);
    int count;
    do {
      count = socket.receive(buffer, 0, 8192, new ArrayList<>());
    } while (count > 0); // its hello, and why it refuses
    return count == 0 || count == -Errno.ECONNRESET;
  }

  /** Excuses as much as it is told to. */
  private static final class FakeWitness implements Witness {
    Evidence evidence = Evidence.NONE;

    @Override
    public Evidence look() {
      return evidence;
    }

    @Override
    public void forget() {}
  }
}
