package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Both sides of a bridge in one thread and a played time; and what holds for every provider. */
abstract class BothSidesTest {
  static final UUID ARRAY = new UUID(1, 2);
  static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  static final byte[] WRONG_SECRET = "fedcba9876543210".getBytes(StandardCharsets.US_ASCII);
  static final long MS = 1_000_000;
  private static final int MAX_ROUNDS = 1000;

  @TempDir Path directory;
  final List<Node> nodes = new ArrayList<>();
  long nowNs = 1_000 * MS;

  /** A side with the usual options. */
  abstract Node node(Side side);

  @AfterEach
  void closeAll() {
    nodes.forEach(node -> node.bridge.close());
  }

  @Test
  void comesUpWhicheverSideStartsFirst() {
    Node b = node(Side.B);
    run(5);
    assertThat(b.bridge.state()).isEqualTo(LinkState.DOWN);

    Node a = node(Side.A);
    runUntilUp(a, b);

    assertThat(a.bridge.generation()).isEqualTo(1);
    assertThat(b.bridge.generation()).isEqualTo(1);
    assertThat(a.endpoint().peerName()).isEqualTo("controller-B");
  }

  @Test
  void whatOneSideStoresTheOtherOneLoads() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);

    a.endpoint().remote().segment().set(JAVA_LONG, 8192, 42);
    a.endpoint().remoteControl().set(JAVA_LONG, 64, 43);
    a.endpoint().peerScratchpad(7, 44);

    assertThat(b.bridge.local().segment().get(JAVA_LONG, 8192)).isEqualTo(42);
    assertThat(b.endpoint().localControl().get(JAVA_LONG, 64)).isEqualTo(43);
    assertThat(b.endpoint().scratchpad(7)).isEqualTo(44);
    assertThat(a.bridge.local().segment().get(JAVA_LONG, 8192)).isZero();
    assertThat(a.endpoint().localControl().get(JAVA_LONG, 64)).isZero();
  }

  @Test
  void aGoodbyeTakesTheLinkDownAndTheNextLifeHasAHigherGenerationAndZeroedControlMemory() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    b.endpoint().remoteControl().fill((byte) -1);

    b.bridge.close();
    runUntil(() -> a.downs.size() == 1);
    assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.GOODBYE);
    assertThat(a.downs.getFirst().generation()).isEqualTo(1);
    run(50);
    assertThat(a.endpoint).as("nobody is there").isNull();
    assertThat(a.bridge.state()).isEqualTo(LinkState.DOWN);

    for (int generation = 2; generation < 6; generation++) {
      Node restarted = node(Side.B);
      runUntilUp(a, restarted);
      assertThat(a.bridge.generation()).isEqualTo(generation);
      assertThat(restarted.bridge.generation()).isEqualTo(generation);
      assertFilled(a.endpoint().localControl(), 0);
      restarted.endpoint().remoteControl().fill((byte) -1);
      restarted.bridge.close();
      runUntil(() -> a.endpoint == null);
    }
  }

  @Test
  void whoWasPausedDoesNotTakeThePeerForDead() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);

    nowNs += 60_000 * MS; // both were
    run(3);

    assertThat(a.downs).isEmpty();
    assertThat(b.downs).isEmpty();
  }

  @Test
  void aBreachOfTheProtocolEndsThisLifeOnly() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);

    a.bridge.fail(LinkDown.Kind.PROTOCOL, "it lies");

    assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.PROTOCOL);
    runUntil(() -> !b.downs.isEmpty());
    runUntilUp(a, b);
    assertThat(a.bridge.generation()).isEqualTo(2);
  }

  final Node add(Bridge bridge) {
    Node node = new Node(bridge);
    nodes.add(node);
    return node;
  }

  final void run(int rounds) {
    for (int i = 0; i < rounds; i++) {
      nowNs += MS;
      nodes.forEach(node -> node.bridge.doWork(nowNs));
    }
  }

  final void beatFor(long ms) {
    for (int i = 0; i < ms / 10; i++) {
      nowNs += 9 * MS;
      run(1);
    }
  }

  final void runUntil(BooleanSupplier condition) {
    for (int i = 0; i < MAX_ROUNDS && !condition.getAsBoolean(); i++) {
      nowNs += 9 * MS;
      run(1);
    }
    assertThat(condition.getAsBoolean()).as("in %d rounds", MAX_ROUNDS).isTrue();
  }

  final void runUntilUp(Node a, Node b) {
    runUntil(() -> a.endpoint != null && b.endpoint != null);
  }

  static void assertFilled(MemorySegment segment, int value) {
    MemorySegment expected = Arena.ofAuto().allocate(segment.byteSize()).fill((byte) value);
    assertThat(segment.mismatch(expected)).isEqualTo(-1);
  }

  /** One side, which notes what it is told. */
  static final class Node implements BridgeListener {
    final Bridge bridge;
    final List<LinkDown> downs = new ArrayList<>();
    @Nullable BridgeEndpoint endpoint;
    int ups;

    Node(Bridge bridge) {
      this.bridge = bridge;
      bridge.listener(this);
    }

    BridgeEndpoint endpoint() {
      assertThat(endpoint).isNotNull();
      return Objects.requireNonNull(endpoint);
    }

    @Override
    public void linkUp(BridgeEndpoint newborn) {
      endpoint = newborn;
      ups++;
    }

    @Override
    public void linkDown(LinkDown why) {
      endpoint = null;
      downs.add(why);
    }
  }
}
