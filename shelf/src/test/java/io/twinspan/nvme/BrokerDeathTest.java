package io.twinspan.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Futex;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.Obituary;
import io.twinspan.linux.UnixSocket;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The word by which a broker learns that a process has died whose socket is still open. */
@Timeout(60)
class BrokerDeathTest {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @TempDir private Path directory;
  private Shelf shelf;
  private NvmeController drive;
  private Path socket;
  private Broker broker;

  @BeforeEach
  void start() {
    assumeTrue(Futex.isSupported(), "the system calls of this processor are not known");
    ShelfOptions options =
        new ShelfOptions(directory, directory, 1, 64 << 20, ShelfOptions.DUAL_PORTED, "TEST");
    shelf = new Shelf(options).start();
    drive =
        NvmeController.open(
            VfioUserDevice.connect(options.socket(0, "a"), PATIENCE), NvmeOptions.DEFAULTS);
    socket = directory.resolve("broker");
    broker = Broker.start(drive, socket, BrokerOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    if (broker != null) {
      broker.close();
      drive.close();
      shelf.close();
    }
  }

  @Test
  void aDeathIsKnownThoughTheSocketStaysOpen() throws Exception {
    try (Raw raw = new Raw()) {
      Thread process = Thread.ofPlatform().start(() -> leaveForGood(raw.word));
      process.join();

      raw.requireEnd();
    }
  }

  @Test
  void whoTakesItsWordBackGoesOn() throws Exception {
    try (Raw raw = new Raw()) {
      Thread process =
          Thread.ofPlatform()
              .start(() -> {
                try (Obituary _ = Obituary.of(raw.word)) {
                  assertThat(raw.answers()).isTrue();
                }
              });
      process.join();

      assertThat(raw.word.get(JAVA_INT, 0)).isZero();
      assertThat(raw.answers()).isTrue();
      assertThat(broker.processes()).isOne();
    }
  }

  @Test
  void whoLiesByItsWordLosesAllAndNobodyElseDoes() {
    try (BrokeredDrive other = BrokeredDrive.connect(socket);
        Raw raw = new Raw()) {
      raw.word.set(JAVA_INT, 0, Futex.OWNER_DIED);
      var _ = Futex.wake(raw.word, 1);

      raw.requireEnd();
      assertThat(other.checkPresence()).isTrue();
      assertThat(other.identifyController().modelNumber()).isNotEmpty();
    }
  }

  @Test
  void aWordThatDoesNotKeepStillEndsTheSession() {
    try (Raw raw = new Raw()) {
      long startNs = System.nanoTime();
      for (int i = 1; broker.processes() > 0; i++) {
        assertThat(System.nanoTime() - startNs).isLessThan(PATIENCE.toNanos());
        raw.word.set(JAVA_INT, 0, i & 0xff);
        var _ = Futex.wake(raw.word, 1);
      }

      raw.requireEnd();
    }
  }

  @Test
  void theLibraryLeavesAWordAndTakesItBack() {
    try (Fd page = Memfd.create("word", DeathWord.BYTES);
        Mapping mapping = DeathWord.map(page)) {
      MemorySegment word = DeathWord.in(mapping);
      try (ObituaryThread _ = new ObituaryThread(page)) {
        while (word.get(JAVA_INT, 0) == 0) {
          Thread.onSpinWait();
        }
        assertThat(word.get(JAVA_INT, 0) & Futex.WAITERS).isNotZero();
      }
      assertThat(word.get(JAVA_INT, 0)).isZero();
    }
  }

  private static void leaveForGood(MemorySegment word) {
    Obituary _ = Obituary.of(word); // not closed: the thread dies with it
  }

  /** A process at the broker whose word the test writes. */
  private final class Raw implements AutoCloseable {
    private final BrokerConnection connection =
        new BrokerConnection(UnixSocket.connect(socket, PATIENCE));
    private final Mapping page;
    private final MemorySegment word;

    private Raw() {
      connection
          .message()
          .begin(BrokerMessage.HELLO, 8)
          .u32(0, BrokerMessage.MAGIC)
          .u32(4, BrokerMessage.VERSION);
      connection.send();
      assertThat(connection.receive().u32(60)).isOne();
      try (Fd memory = connection.takeFds(1).getFirst()) {
        page = DeathWord.map(memory);
      }
      word = DeathWord.in(page);
    }

    /** Whether the broker still answers, be it by a refusal. */
    private boolean answers() {
      connection.message().begin(BrokerMessage.DELETE, 4).u32(0, 1);
      connection.send();
      return connection.receive().isRefused();
    }

    /** Waits until the broker has hung up, which it does when it has taken everything back. */
    private void requireEnd() {
      connection.socket().setReceiveTimeout(PATIENCE);
      MemorySegment nothing = connection.message().buffer();
      assertThat(connection.socket().receive(nothing, 0, 1, new ArrayList<>())).isZero();
    }

    @Override
    public void close() {
      connection.close();
      page.close();
    }
  }
}
