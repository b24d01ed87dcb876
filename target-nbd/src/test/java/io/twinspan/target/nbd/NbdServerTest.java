package io.twinspan.target.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class NbdServerTest {
  private static final Duration DEADLINE = Duration.ofSeconds(20);
  private static final int MIB = 1 << 20;

  private final MemoryArray array =
      new MemoryArray(16, 8, 4711).volume("alpha", 64L * MIB).volume("beta", 8L * MIB);

  @TempDir Path directory;
  private NbdServer server;

  @BeforeEach
  void start() {
    server = serve(NbdLimits.DEFAULT);
  }

  @AfterEach
  void stop() {
    server.close();
    await().untilAsserted(() -> assertThat(array.takenBuffers()).isZero());
    array.close();
  }

  @Test
  void servesVolumesOverTcpAndUnixSocket() {
    array.start();
    for (SocketAddress address : server.addresses()) {
      try (NbdClient client = NbdClient.connect(address, "beta", DEADLINE)) {
        assertThat(client.sizeBytes()).isEqualTo(8L * MIB);
        byte[] data = random(300_001, 1);
        client.write(777, ByteBuffer.wrap(data), false);
        client.flush();
        assertThat(read(client, 777, data.length)).isEqualTo(data);
        client.zero(1000, 5000);
        client.trim(0, MIB);
        assertThat(read(client, 4096, 4096)).containsOnly(0);
      }
    }
  }

  @Test
  void movesRequestsLargerThanAllBuffersTogether() {
    array.start();
    byte[] data = random(32 * MIB, 2);
    try (NbdClient client = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      client.write(12345, ByteBuffer.wrap(data), true);
      assertThat(read(client, 12345, data.length)).isEqualTo(data);
    }
  }

  @Test
  void serializesNothingBetweenConnectionsAndLosesNothingWhenBuffersAreScarce() throws Exception {
    array.start();
    List<Future<?>> writers = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (int i = 0; i < 8; i++) {
        int number = i;
        writers.add(threads.submit(() -> writeAndVerify(number)));
      }
      for (Future<?> writer : writers) {
        writer.get();
      }
    }
    assertThat(server.status().exports().getFirst().errors()).isZero();
  }

  private void writeAndVerify(int number) {
    Random random = new Random(number);
    long base = number * 8L * MIB;
    try (NbdClient client = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      for (int i = 0; i < 20; i++) {
        byte[] data = random(1 + random.nextInt(3 * MIB), random.nextLong());
        long offset = base + random.nextInt(8 * MIB - data.length);
        client.write(offset, ByteBuffer.wrap(data), random.nextBoolean());
        assertThat(read(client, offset, data.length)).isEqualTo(data);
      }
    }
  }

  @Test
  void reportsErrorsAndGoesOn() {
    array.start();
    array.fate(request ->
        request.operation != HostOperation.WRITE || request.offset < 4096
            ? HostStatus.OK
            : HostStatus.NO_SPACE);
    try (NbdClient client = NbdClient.connect(tcp(), "beta", DEADLINE)) {
      assertThatThrownBy(() -> client.write(8192, ByteBuffer.allocate(500_000), false))
          .isInstanceOfSatisfying(
              NbdException.class, e -> assertThat(e.error()).isEqualTo(NbdProtocol.ENOSPC));
      assertThatThrownBy(() -> read(client, 8L * MIB - 1, 2))
          .isInstanceOfSatisfying(
              NbdException.class, e -> assertThat(e.error()).isEqualTo(NbdProtocol.EINVAL));
      assertThatThrownBy(() -> client.write(8L * MIB, ByteBuffer.allocate(1), false))
          .isInstanceOfSatisfying(
              NbdException.class, e -> assertThat(e.error()).isEqualTo(NbdProtocol.ENOSPC));
      client.write(0, ByteBuffer.allocate(4096), false);
    }
    assertThat(server.status().exports().get(1).errors()).isEqualTo(3);
    assertThat(server.status().exports().get(1).requests()).isEqualTo(4);
  }

  @Test
  void refusesUnknownExports() {
    assertThatThrownBy(() -> NbdClient.connect(tcp(), "gamma", DEADLINE))
        .isInstanceOf(NbdException.class)
        .hasMessageContaining("gamma");
    assertThatThrownBy(() -> NbdClient.connect(tcp(), "", DEADLINE))
        .isInstanceOf(NbdException.class);
    array.delete("alpha");
    try (NbdClient only = NbdClient.connect(tcp(), "", DEADLINE)) {
      assertThat(only.sizeBytes()).isEqualTo(8L * MIB);
    }
  }

  @Test
  void endsTheConnectionWhenTheArrayStopsServingTheVolume() {
    array.start();
    array.fate(request -> HostStatus.SHUTDOWN);
    try (NbdClient client = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      assertThatThrownBy(() -> read(client, 0, 4096)).isInstanceOf(NbdDisconnectedException.class);
      assertThatThrownBy(client::flush).isInstanceOf(NbdDisconnectedException.class);
    }
  }

  @Test
  void endsConnectionsOfDeletedVolumesOnly() {
    array.start();
    try (NbdClient alpha = NbdClient.connect(tcp(), "alpha", DEADLINE);
        NbdClient beta = NbdClient.connect(tcp(), "beta", DEADLINE)) {
      array.delete("beta");
      server.volumesChanged();
      await().until(() -> server.status().connections() == 1);
      alpha.flush();
      assertThatThrownBy(beta::flush).isInstanceOf(NbdDisconnectedException.class);
    }
  }

  @Test
  void givesBackBuffersOfRequestsWhoseConnectionIsGone() {
    // No thread answers: the requests stay in the array while the connection dies.
    try (NbdClient client = NbdClient.connect(tcp(), "alpha", Duration.ofMillis(300))) {
      assertThatThrownBy(() -> read(client, 0, 700_000))
          .isInstanceOf(NbdDisconnectedException.class);
    }
    await().until(() -> server.status().connections() == 0);
    assertThat(array.takenBuffers()).isPositive();
    while (array.answerOne()) {}
    await().untilAsserted(() -> assertThat(array.takenBuffers()).isZero());
  }

  @Test
  void closesInBoundedTimeAndTakesLateAnswers() {
    try (NbdClient client = NbdClient.connect(tcp(), "alpha", Duration.ofMillis(200))) {
      assertThatThrownBy(() -> client.write(0, ByteBuffer.allocate(700_000), false))
          .isInstanceOf(NbdDisconnectedException.class);
      server.close();
    }
    while (array.answerOne()) {}
    assertThat(array.takenBuffers()).isZero();
  }

  @Test
  void answersWhatIsInFlightWhenClosed() throws Exception {
    CountDownLatch arrived = new CountDownLatch(1);
    CountDownLatch closing = new CountDownLatch(1);
    array.fate(request -> {
      arrived.countDown();
      awaitQuietly(closing);
      return HostStatus.OK;
    });
    array.start();
    try (ExecutorService threads = Executors.newFixedThreadPool(2);
        NbdClient client = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      Future<?> write = threads.submit(() -> client.write(0, ByteBuffer.allocate(4096), false));
      arrived.await();
      Future<?> close = threads.submit(server::close);
      await().until(() -> !Files.exists(directory.resolve("nbd.sock")));
      closing.countDown();
      write.get();
      close.get();
    }
  }

  @Test
  void disconnectsEveryone() {
    array.start();
    try (NbdClient alpha = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      server.disconnectAll("test");
      await().until(() -> server.status().connections() == 0);
      assertThatThrownBy(alpha::flush).isInstanceOf(NbdDisconnectedException.class);
    }
    try (NbdClient again = NbdClient.connect(tcp(), "alpha", DEADLINE)) {
      again.flush();
    }
  }

  @Test
  void turnsAwayWhoIsTooMuchOrTooSlow() throws IOException {
    server.close();
    server = serve(new NbdLimits(2, Duration.ofMillis(300), Duration.ofSeconds(30), 16, 1 << 20));
    SocketAddress unix = server.addresses().get(1);
    try (SocketChannel first = SocketChannel.open(tcp());
        SocketChannel second = SocketChannel.open(unix)) {
      await().until(() -> server.status().connections() == 2);
      assertThatThrownBy(() -> NbdClient.connect(tcp(), "alpha", DEADLINE))
          .isInstanceOf(NbdDisconnectedException.class);
      assertThat(server.status().refusedConnections()).isEqualTo(1);
      await().until(() -> server.status().connections() == 0); // no export chosen in time
      assertThat(first.isOpen() && second.isOpen()).isTrue();
    }
  }

  @Test
  void closesClientsThatStopInTheMiddle() throws IOException {
    array.start();
    server.close();
    server = serve(new NbdLimits(8, Duration.ofSeconds(5), Duration.ofMillis(200), 16, 1 << 20));
    try (NbdClient idle = NbdClient.connect(tcp(), "beta", DEADLINE);
        RawConnection halfWrite = new RawConnection(tcp(), "beta");
        RawConnection deaf = new RawConnection(tcp(), "alpha")) {
      halfWrite.request(NbdProtocol.CMD_WRITE, 0, 1, 0, 100_000);
      for (int i = 0; i < 2; i++) {
        deaf.request(NbdProtocol.CMD_READ, 0, i, 0, 32 * MIB);
      }
      await().until(() -> server.status().connections() == 1);
      idle.flush(); // idle is not stalled
    }
  }

  @Test
  void leavesNoStaleSocketAndTakesNobodysPlace() throws IOException {
    Path socket = directory.resolve("nbd.sock");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
        .isEqualTo("rw-------");
    NbdServer second = NbdServer.builder(array).listen(UnixDomainSocketAddress.of(socket)).build();
    assertThatThrownBy(second::start)
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("another process");
    server.close();
    assertThat(socket).doesNotExist();

    Path stale = directory.resolve("stale.sock");
    java.nio.channels.ServerSocketChannel dead =
        java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX);
    dead.bind(UnixDomainSocketAddress.of(stale)).close();
    assertThat(stale).exists();
    try (NbdServer third =
        NbdServer.builder(array).listen(UnixDomainSocketAddress.of(stale)).build()) {
      third.start();
      NbdClient.connect(third.addresses().getFirst(), "alpha", DEADLINE).close();
    }
  }

  @Test
  void saysWhenAnAddressIsNotPossible() {
    Path tooLong = directory.resolve("x".repeat(108));
    assertThatThrownBy(() ->
            NbdServer.builder(array).listen(UnixDomainSocketAddress.of(tooLong)).build().start())
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("107");
    assertThatThrownBy(() -> NbdServer.builder(array).listen(tcp()).build().start())
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("cannot listen");
  }

  private NbdServer serve(NbdLimits limits) {
    NbdServer made =
        NbdServer.builder(array)
            .listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .listen(UnixDomainSocketAddress.of(directory.resolve("nbd.sock")))
            .limits(limits)
            .eventLoops(2)
            .build();
    made.start();
    return made;
  }

  private SocketAddress tcp() {
    return server.addresses().getFirst();
  }

  private static byte[] read(NbdClient client, long offset, int length) {
    ByteBuffer into = ByteBuffer.allocate(length);
    client.read(offset, into);
    return into.array();
  }

  private static byte[] random(int length, long seed) {
    byte[] data = new byte[length];
    new Random(seed).nextBytes(data);
    return data;
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
