package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A peer that knows the secret and then lies: in its descriptors, in everything it may write to,
 * and on the socket. Whatever it does ends the link at worst, and with a reason.
 */
@Timeout(60)
class LyingPeerTest implements BridgeListener {
  private static final long MS = 1_000_000;
  private static final int LIVES = 60;
  private static final int LIES_PER_LIFE = 60;

  @TempDir Path directory;
  private final long seed = System.nanoTime();
  private final Random random = new Random(seed);
  private final List<LinkDown> downs = new ArrayList<>();
  private @Nullable BridgeEndpoint endpoint;
  private ShmBridge bridge;
  private long nowNs = 1_000 * MS;

  @BeforeEach
  void open() {
    System.out.println("seed " + seed);
    bridge = new ShmBridge(BridgePeer.options(Side.A, socket()).witness(_ -> Witness.NOBODY));
    bridge.listener(this);
  }

  @AfterEach
  void close() {
    bridge.close();
  }

  @Test
  void randomBytesInEveryWordOfTheControlPageEndTheLinkAtWorst() {
    for (int life = 1; life <= LIVES; life++) {
      try (Liar liar = new Liar(Memfd.create("liar", 1 << 20))) {
        liar.shakeHands();
        assertThat(endpoint).isInstanceOf(ShmEndpoint.class);
        for (int i = 0; i < LIES_PER_LIFE && endpoint instanceof ShmEndpoint shm; i++) {
          scribble(shm.controlPage());
          use(shm);
        }
      }
      awaitDown(life);
    }
    anHonestPeerIsWelcome();
  }

  @Test
  void randomFramesInTheMiddleOfALifeEndIt() {
    for (int life = 1; life <= LIVES; life++) {
      try (Liar liar = new Liar(Memfd.create("liar", 1 << 20))) {
        liar.shakeHands();
        for (int i = 0; i < LIES_PER_LIFE && endpoint != null; i++) {
          liar.sendNonsense();
          work();
        }
      }
      awaitDown(life);
      assertThat(downs.getLast().kind())
          .as("seed %d, life %d", seed, life)
          .isIn(LinkDown.Kind.EOF, LinkDown.Kind.PROTOCOL, LinkDown.Kind.GOODBYE);
    }
    anHonestPeerIsWelcome();
  }

  @Test
  void descriptorsThatAreNoWindowsAreRefused() {
    List<Fd> odd =
        List.of(
            Memfd.create("too-small", 4096),
            Memfd.create("too-big", 2 << 20),
            Memfd.create("no-header", 1 << 20),
            EventFd.create().fd(),
            Fd.open(Path.of("/dev/zero"), 2, 0),
            Fd.open(directory, 0, 0));
    for (Fd fd : odd) {
      try (Liar liar = new Liar(fd)) {
        liar.headless = true;
        liar.shakeHands();
        assertThat(endpoint).as(fd.toString()).isNull();
      }
    }
    assertThat(downs).isEmpty();
    anHonestPeerIsWelcome();
  }

  // --- side A

  private void work() {
    nowNs += MS;
    bridge.wakeSource().disarm(); // it looks at its descriptors
    int _ = bridge.doWork(nowNs);
  }

  /** What a layer above does with a link. */
  private void use(ShmEndpoint shm) {
    if (random.nextBoolean()) {
      bridge.wakeSource().arm();
    }
    shm.ring();
    long _ = shm.scratchpad(random.nextInt(BridgeEndpoint.SCRATCHPADS));
    nowNs += random.nextInt(100) * MS;
    work();
    assertThat(bridge.nextDeadlineNs()).as("seed %d", seed).isPositive();
  }

  private void scribble(MemorySegment page) {
    for (int i = random.nextInt(20); i >= 0; i--) {
      long offset = 8L * random.nextInt(Window.HEADER_BYTES / 8);
      if (random.nextBoolean()) {
        offset = 128L * random.nextInt(5);
      }
      long value = random.nextBoolean() ? random.nextLong() : random.nextInt(3) - 1L;
      page.set(JAVA_LONG, offset, value);
    }
  }

  private void awaitDown(int count) {
    for (int i = 0; i < 1000 && downs.size() < count; i++) {
      work();
    }
    assertThat(downs).as("seed %d", seed).hasSize(count);
    LinkDown down = downs.getLast();
    assertThat(down.detail()).isNotBlank();
    assertThat(down.detectedNs()).isBetween(down.lastSignOfLifeNs(), nowNs);
    assertThat(down.generation()).isEqualTo(bridge.generation());
  }

  private void anHonestPeerIsWelcome() {
    try (ShmBridge honest = new ShmBridge(BridgePeer.options(Side.B, socket()))) {
      honest.listener(
          new BridgeListener() {
            @Override
            public void linkUp(BridgeEndpoint newborn) {}

            @Override
            public void linkDown(LinkDown why) {}
          });
      for (int i = 0; i < 1000 && honest.state() != LinkState.UP; i++) {
        nowNs += 9 * MS;
        work();
        int _ = honest.doWork(nowNs);
      }
      assertThat(honest.state()).isEqualTo(LinkState.UP);
    }
  }

  @Override
  public void linkUp(BridgeEndpoint newborn) {
    endpoint = newborn;
  }

  @Override
  public void linkDown(LinkDown why) {
    endpoint = null;
    downs.add(why);
  }

  private Path socket() {
    return directory.resolve("link.sock");
  }

  /** Side B, which does everything right until it has the link. */
  private final class Liar implements Handshake.Host, AutoCloseable {
    private static final int MAX_ROUNDS = 50;

    private final Fd window;
    private final UnixSocket wire;
    private final Connection connection;
    private final Handshake handshake;
    boolean headless;

    Liar(Fd window) {
      this.window = window;
      wire = UnixSocket.connect(socket(), Duration.ZERO);
      connection = new Connection(wire);
      Proof proof = new Proof(BridgePeer.SECRET);
      handshake = new Handshake(connection, this, proof, Long.MAX_VALUE);
    }

    void shakeHands() {
      if (!headless) {
        try (Mapping mapping = Mapping.shared(window, 0, 1 << 20, Mapping.Protection.READ_WRITE)) {
          new Window(mapping.segment()).initialise();
        }
      }
      assertThat(handshake.begin()).isTrue();
      try {
        for (int i = 0; i < MAX_ROUNDS && !handshake.isDone(); i++) {
          work();
          Connection.Outcome _ = handshake.receive();
        }
        work();
      } catch (Refusal e) {
        assertThat(headless).as(e.reason()).isTrue();
      }
    }

    void sendNonsense() {
      Connection.Type[] types = Connection.Type.values();
      byte[] bytes = new byte[random.nextInt(64)];
      random.nextBytes(bytes);
      switch (random.nextInt(3)) {
        case 0 -> {
          MemorySegment raw = Arena.ofAuto().allocate(bytes.length + 1L);
          MemorySegment.copy(bytes, 0, raw, JAVA_BYTE, 0, bytes.length);
          int _ = wire.send(raw, 0, bytes.length + 1);
        }
        case 1 -> {
          Connection.Type type = types[random.nextInt(types.length)];
          boolean _ = connection.send(type, ByteBuffer.wrap(bytes), window, window);
        }
        default -> {
          // nothing this time
        }
      }
    }

    @Override
    public Hello newHello() {
      byte[] nonce = new byte[Hello.NONCE_BYTES];
      return Hello.of(
          BridgePeer.ARRAY,
          BridgePeer.ARRAY,
          nonce,
          bridge.generation(),
          1 << 20,
          1 << 16,
          1,
          Side.B,
          "liar",
          new byte[0]);
    }

    @Override
    public void examine(Hello peer) {}

    @Override
    public Fd window() {
      return window;
    }

    @Override
    public void close() {
      handshake.close();
      window.close();
    }
  }
}
