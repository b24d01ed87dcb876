package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Mapping.Protection;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class UnixSocketTest {
  @TempDir private Path directory;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment buffer = arena.allocate(65_536, 8);
  private final List<Fd> received = new ArrayList<>();

  @AfterEach
  void closeAll() {
    received.forEach(Fd::close);
    arena.close();
  }

  @Test
  void connectedSocketsExchangeBytes() {
    Path path = directory.resolve("s");
    try (UnixListener listener = UnixListener.bind(path, 0600);
        UnixSocket client = UnixSocket.connect(path, Duration.ZERO);
        UnixSocket server = listener.accept().orElseThrow()) {
      buffer.set(JAVA_LONG, 8, 0x1122334455667788L);

      assertThat(client.send(buffer, 8, 8)).isEqualTo(8);
      assertThat(server.receive(buffer, 1024, 100, received)).isEqualTo(8);

      assertThat(buffer.get(JAVA_LONG, 1024)).isEqualTo(0x1122334455667788L);
      assertThat(received).isEmpty();
    }
  }

  @Test
  void listenerFileHasItsModeAndGoesAway() throws IOException {
    Path path = directory.resolve("s");
    try (UnixListener listener = UnixListener.bind(path, 0600)) {
      assertThat(listener.path()).isEqualTo(path);
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
          .isEqualTo("rw-------");
    }
    assertThat(path).doesNotExist();
  }

  @Test
  void descriptorsArriveInOrderWithTheirBytes() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1);
        Fd memfd = Memfd.create("sent", 4096);
        EventFd event = EventFd.create()) {
      assertThat(here.send(buffer, 0, 3, memfd, event.fd())).isEqualTo(3);
      assertThat(there.receive(buffer, 0, 64, received)).isEqualTo(3);

      assertThat(received).hasSize(2);
      assertThat(received.getFirst().number()).isNotEqualTo(memfd.number());
      try (Mapping mine = Mapping.shared(memfd, 0, 4096, Protection.READ_WRITE);
          Mapping theirs = Mapping.shared(received.getFirst(), 0, 4096, Protection.READ)) {
        mine.segment().set(JAVA_LONG, 0, 99);
        assertThat(theirs.segment().get(JAVA_LONG, 0)).isEqualTo(99);
      }
      event.signal();
      assertThat(EventFd.adopt(received.get(1)).drain()).isTrue();
    }
  }

  @Test
  void sixtyFourDescriptorsAreTheLimit() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1);
        Fd memfd = Memfd.create("many", 4096)) {
      Fd[] most = Collections.nCopies(UnixSocket.MAX_FDS, memfd).toArray(Fd[]::new);
      Fd[] tooMany = Collections.nCopies(UnixSocket.MAX_FDS + 1, memfd).toArray(Fd[]::new);

      assertThatThrownBy(() -> here.send(buffer, 0, 1, tooMany))
          .isInstanceOf(IllegalArgumentException.class);
      assertThat(here.send(buffer, 0, 1, most)).isEqualTo(1);
      assertThat(there.receive(buffer, 0, 1, received)).isEqualTo(1);

      assertThat(received).hasSize(UnixSocket.MAX_FDS);
      assertThat(received).allSatisfy(fd -> assertThat(fd.size()).isEqualTo(4096));
    }
  }

  @Test
  void moreDescriptorsThanFitAreClosedAndRefused() throws IOException {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1);
        Fd memfd = Memfd.create("too-many", 4096)) {
      // A peer that does not keep to the limit: the kernel allows 253 descriptors.
      Fd[] fds = Collections.nCopies(100, memfd).toArray(Fd[]::new);
      SocketMessage message = new SocketMessage(fds.length);
      assertThat(message.send(here.fd().number(), buffer.asSlice(0, 1), fds, 0)).isEqualTo(1);
      long before = openDescriptors();

      assertThat(there.receive(buffer, 0, 1, received)).isEqualTo(-Errno.EMSGSIZE);

      assertThat(received).isEmpty();
      assertThat(openDescriptors()).isEqualTo(before);
    }
  }

  @Test
  void closedDescriptorIsNotSent() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1)) {
      Fd closed = Memfd.create("closed", 4096);
      closed.close();
      there.setNonBlocking(true);

      assertThat(here.send(buffer, 0, 1, closed)).isEqualTo(-Errno.EBADF);
      assertThat(there.receive(buffer, 0, 1, received)).isEqualTo(-Errno.EAGAIN);
    }
  }

  @Test
  void endOfTheConnectionIsZeroAndSendingIntoItIsEpipe() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0)) {
      pair.get(1).close();

      assertThat(here.receive(buffer, 0, 8, received)).isZero();
      assertThat(here.send(buffer, 0, 8)).isEqualTo(-Errno.EPIPE);
    }
  }

  @Test
  void receiveGivesUpAfterItsTimeout() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1)) {
      here.setReceiveTimeout(Duration.ofMillis(5));

      assertThat(here.receive(buffer, 0, 8, received)).isEqualTo(-Errno.EAGAIN);
      assertThat(there.send(buffer, 0, 8)).isEqualTo(8);
      assertThat(here.receive(buffer, 0, 8, received)).isEqualTo(8);
    }
  }

  @Test
  void fullSocketTakesAPartAndThenNothing() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1)) {
      here.setNonBlocking(true);
      there.setNonBlocking(true);
      long sent = 0;
      int result;
      while ((result = here.send(buffer, 0, 65_536)) > 0) {
        sent += result;
      }
      assertThat(result).isEqualTo(-Errno.EAGAIN);
      long got = 0;
      while ((result = there.receive(buffer, 0, 65_536, received)) > 0) {
        got += result;
      }
      assertThat(result).isEqualTo(-Errno.EAGAIN);
      assertThat(got).isEqualTo(sent).isPositive();
    }
  }

  @Test
  @SuppressWarnings("try") // closing early is what is tested
  void closeEndsAReceiveThatWaits() throws Exception {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1)) {
      MemorySegment own = arena.allocate(8);
      CompletableFuture<Integer> result =
          CompletableFuture.supplyAsync(() -> here.receive(own, 0, 8, new ArrayList<>()));

      here.close();

      assertThat(result.get(30, TimeUnit.SECONDS)).isIn(0, -Errno.EBADF);
      assertThat(there.receive(buffer, 0, 8, received)).isZero();
    }
  }

  @Test
  void closeEndsAnAcceptThatWaits() throws Exception {
    UnixListener listener = UnixListener.bind(directory.resolve("s"), 0600);
    CompletableFuture<Boolean> empty =
        CompletableFuture.supplyAsync(() -> listener.accept().isEmpty());

    listener.close();
    listener.close();

    assertThat(empty.get(30, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void nonBlockingAcceptIsEmptyWhenNobodyConnects() {
    try (UnixListener listener = UnixListener.bind(directory.resolve("s"), 0600)) {
      listener.setNonBlocking(true);

      assertThat(listener.accept()).isEmpty();
    }
  }

  @Test
  void peerIsTheConnectingProcess() throws IOException {
    Path path = directory.resolve("s");
    try (UnixListener listener = UnixListener.bind(path, 0600);
        UnixSocket client = UnixSocket.connect(path, Duration.ZERO);
        UnixSocket server = listener.accept().orElseThrow()) {
      int uid = (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
      int gid = (int) Files.getAttribute(Path.of("/proc/self"), "unix:gid");

      Credentials expected = new Credentials(Processes.pid(), uid, gid);
      assertThat(server.peer()).isEqualTo(expected);
      assertThat(client.peer()).isEqualTo(expected);
    }
  }

  @Test
  void pathThatIsTooLongIsNamedWithTheLimit() {
    Path path = Path.of("/tmp/" + "x".repeat(103));

    assertThatThrownBy(() -> UnixListener.bind(path, 0600))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining(path + " has 108 bytes")
        .hasMessageContaining("1 to 107");
    assertThatThrownBy(() -> UnixSocket.connect(path, Duration.ZERO))
        .hasMessageContaining("108 bytes");
  }

  @Test
  void longestPathWorks() throws IOException {
    Path shortDirectory = Files.createTempDirectory(Path.of("/tmp"), "ts");
    Path path = shortDirectory.resolve("x".repeat(107 - shortDirectory.toString().length() - 1));
    try (UnixListener listener = UnixListener.bind(path, 0600);
        UnixSocket client = UnixSocket.connect(path, Duration.ZERO)) {
      assertThat(listener.accept()).hasValueSatisfying(UnixSocket::close);
      assertThat(client.fd().isClosed()).isFalse();
    } finally {
      Files.deleteIfExists(path);
      Files.delete(shortDirectory);
    }
  }

  @Test
  void liveListenerIsNotReplaced() {
    Path path = directory.resolve("s");
    try (UnixListener first = UnixListener.bind(path, 0600)) {
      assertThatThrownBy(() -> UnixListener.bind(path, 0600))
          .hasMessageContaining("process " + Processes.pid() + " already listens on " + path);
      assertThat(first.path()).exists();
    }
  }

  @Test
  void socketOfADeadListenerIsReplaced() {
    Path path = directory.resolve("s");
    UnixListener dead = UnixListener.bind(path, 0600);
    dead.fd().close(); // as the kernel does when a process is killed: the file stays
    assertThat(path).exists();

    try (UnixListener next = UnixListener.bind(path, 0600);
        UnixSocket client = UnixSocket.connect(path, Duration.ZERO)) {
      assertThat(next.accept()).hasValueSatisfying(UnixSocket::close);
      assertThat(client.fd().isClosed()).isFalse();
    }
  }

  @Test
  void ordinaryFileIsNotReplaced() throws IOException {
    Path path = Files.writeString(directory.resolve("s"), "precious");

    assertThatThrownBy(() -> UnixListener.bind(path, 0600)).isInstanceOf(TwinspanException.class);

    assertThat(path).hasContent("precious");
  }

  @Test
  void connectWaitsForAListenerToCome() throws Exception {
    Path path = directory.resolve("s");
    assertThatThrownBy(() -> UnixSocket.connect(path, Duration.ZERO))
        .isInstanceOfSatisfying(
            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    CompletableFuture<UnixSocket> client =
        CompletableFuture.supplyAsync(() -> UnixSocket.connect(path, Duration.ofSeconds(30)));

    try (UnixListener listener = UnixListener.bind(path, 0600);
        UnixSocket server = listener.accept().orElseThrow()) {
      assertThat(server.fd().isClosed()).isFalse();
      client.get(30, TimeUnit.SECONDS).close();
    }
  }

  @Test
  void heapMemoryIsRefused() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1);
        Fd memfd = Memfd.create("heap", 4096)) {
      MemorySegment heap = MemorySegment.ofArray(new byte[8]);

      assertThatThrownBy(() -> here.send(heap, 0, 8)).isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> here.send(heap, 0, 8, memfd))
          .isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> there.receive(heap, 0, 8, received))
          .isInstanceOf(IllegalArgumentException.class);
      buffer.set(JAVA_BYTE, 0, (byte) 3);
      assertThatThrownBy(() -> there.receive(buffer.asReadOnly(), 0, 8, received))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  private static long openDescriptors() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }
}
