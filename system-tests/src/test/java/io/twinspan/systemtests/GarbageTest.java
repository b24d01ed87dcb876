package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Strangers talk nonsense to every socket of an array while its hosts go on. */
class GarbageTest {
  @RegisterExtension static final TestArray ARRAY = TestArray.with();

  private static final long SEED = Long.getLong("twinspan.seed", System.nanoTime());
  private static final int LARGE = 1 << 20;

  /** What a stranger does on a connection. */
  private interface Stranger {
    void talk(SocketChannel channel) throws IOException;
  }

  private static Map<String, Stranger> strangers() {
    Random random = new Random(SEED);
    Map<String, Stranger> all = new LinkedHashMap<>();
    all.put("comes and goes", channel -> {});
    for (int length : new int[] {1, 7, 16, 64, 4096, LARGE}) {
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      all.put(length + " random bytes", channel -> send(channel, ByteBuffer.wrap(bytes)));
    }
    all.put("zeros", channel -> send(channel, ByteBuffer.allocate(4096)));
    all.put(
        "a request of the web",
        channel -> send(channel, text("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
    all.put("unending brackets", channel -> send(channel, text("[".repeat(LARGE))));
    all.put("NBD: an option of 4 GiB", channel -> send(channel, nbdOption(0xffff_ffff)));
    all.put("NBD: a request of 4 GiB", channel -> send(channel, nbdRequest()));
    all.put("vfio-user: a message of 4 GiB", channel -> send(channel, vfioUser(1, 0xffff_ffff)));
    all.put(
        "vfio-user: a message shorter than its header", channel -> send(channel, vfioUser(1, 3)));
    all.put("vfio-user: a command before the version", channel -> send(channel, vfioUser(2, 64)));
    all.put("vfio-user: a version that is no JSON", channel -> send(channel, vfioVersion()));
    return all;
  }

  private static ByteBuffer text(String text) {
    return ByteBuffer.wrap(text.getBytes(UTF_8));
  }

  private static ByteBuffer nbdOption(int length) {
    return ByteBuffer.allocate(20)
        .putInt(3)
        .putLong(0x4948_4156_454f_5054L)
        .putInt(7)
        .putInt(length)
        .flip();
  }

  private static ByteBuffer nbdRequest() {
    ByteBuffer all = ByteBuffer.allocate(100);
    all.putInt(3).putLong(0x4948_4156_454f_5054L).putInt(1).putInt(5).put("alpha".getBytes(UTF_8));
    all.putInt(0x2560_9513).putShort((short) 0).putShort((short) 1);
    all.putLong(1).putLong(-4096).putInt(0xffff_ffff);
    return all.flip();
  }

  private static ByteBuffer vfioUser(int command, int length) {
    ByteBuffer message = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
    return message.putShort((short) 1).putShort((short) command).putInt(length).rewind();
  }

  private static ByteBuffer vfioVersion() {
    ByteBuffer message = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
    message.putShort((short) 1).putShort((short) 1).putInt(40).putLong(0).putInt(0);
    return message.put("{\"capabilities\":{{{".getBytes(UTF_8)).rewind();
  }

  private static void send(SocketChannel channel, ByteBuffer bytes) throws IOException {
    ByteBuffer rest = bytes.duplicate();
    long deadline = System.nanoTime() + 2_000_000_000L;
    while (rest.hasRemaining() && System.nanoTime() < deadline) {
      if (channel.write(rest) == 0) {
        TestArray.pause(1); // nobody reads on: that is an answer, too
      }
    }
  }

  /** Every socket, with the process that listens on it. */
  private static Map<SocketAddress, String> sockets() throws IOException {
    Map<SocketAddress, String> sockets = new LinkedHashMap<>();
    try (Stream<Path> files = Files.list(ARRAY.directory().resolve("run"))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".sock")).sorted().toList()) {
        String name = file.getFileName().toString();
        String process =
            switch (name) {
              case "link.sock", "nbd-a.sock", "controller-a.sock" -> "controller-a";
              case "nbd-b.sock", "controller-b.sock" -> "controller-b";
              default -> "shelf";
            };
        sockets.put(UnixDomainSocketAddress.of(file), process);
      }
    }
    sockets.put(ARRAY.nbd("a"), "controller-a");
    sockets.put(ARRAY.nbd("b"), "controller-b");
    return sockets;
  }

  private static Map<String, Integer> openFiles() {
    Map<String, Integer> open = new HashMap<>();
    TestArray.PROCESSES.forEach(p -> open.put(p, Os.openFiles(ARRAY.pid(p))));
    return open;
  }

  @Test
  @Timeout(240)
  void nonsenseOnEverySocketIsRefusedAndAllElseGoesOn() throws IOException {
    System.out.println("GarbageTest: seed " + SEED);
    ARRAY.createVolume("alpha", "A", "32MiB");
    ARRAY.createVolume("beta", "B", "32MiB");
    ARRAY.awaitInStep();
    List<Integer> pids = TestArray.PROCESSES.stream().map(ARRAY::pid).toList();
    long[] logs = TestArray.PROCESSES.stream().mapToLong(p -> ARRAY.log(p, 0).length()).toArray();
    try (HostLoad load = new HostLoad(ARRAY, List.of("alpha", "beta"), 4 << 20, SEED).start()) {
      load.awaitProgress();
      talkToEverySocket(load); // the first time, a runtime may open files of its own
      load.awaitProgress();
      Map<String, Integer> before = openFiles();
      talkToEverySocket(load);
      load.awaitProgress();
      assertNothingLeaks(before);
      load.stop();
      System.out.println("GarbageTest: " + load);
      load.verifyAll(0);
      load.verifyAll(1);
    }
    assertThat(TestArray.PROCESSES.stream().map(ARRAY::pid).toList())
        .as("nobody died")
        .isEqualTo(pids);
    ARRAY.awaitInStep();
    for (int i = 0; i < logs.length; i++) {
      String process = TestArray.PROCESSES.get(i);
      assertThat(
              ARRAY
                  .log(process, logs[i])
                  .lines()
                  .filter(line -> line.matches(".* (WARN|ERROR) .*")))
          .as("%s says something about it", process)
          .isNotEmpty();
    }
    assertThat(ARRAY.status().path("link").path("state").asString()).isEqualTo("UP");
  }

  /** Each stranger at each socket; half of them stay, silent, until all have talked. */
  private static void talkToEverySocket(HostLoad load) throws IOException {
    List<SocketChannel> halfOpen = new ArrayList<>();
    try {
      for (SocketAddress address : sockets().keySet()) {
        for (var stranger : strangers().entrySet()) {
          SocketChannel channel = connect(address);
          try {
            channel.configureBlocking(false);
            stranger.getValue().talk(channel);
            channel.read(ByteBuffer.allocate(4096));
          } catch (IOException e) {
            assertThat(e)
                .as("%s at %s", stranger.getKey(), address)
                .hasMessageMatching("(?i).*(pipe|reset).*");
          }
          if (halfOpen.size() % 8 == 7) {
            channel.close();
          }
          halfOpen.add(channel);
        }
        load.throwFailure();
        for (int i = 0; i < halfOpen.size() - 4; i++) {
          halfOpen.get(i).close(); // others may want to come in, too
        }
      }
      load.awaitProgress();
    } finally {
      for (SocketChannel channel : halfOpen) {
        channel.close();
      }
    }
  }

  private static SocketChannel connect(SocketAddress address) throws IOException {
    SocketChannel channel =
        address instanceof UnixDomainSocketAddress
            ? SocketChannel.open(StandardProtocolFamily.UNIX)
            : SocketChannel.open();
    channel.connect(address);
    return channel;
  }

  private static void assertNothingLeaks(Map<String, Integer> before) {
    for (String process : TestArray.PROCESSES) {
      int pid = ARRAY.pid(process);
      int limit = before.getOrDefault(process, 0);
      try {
        TestArray.await(process + " to close its files", () -> Os.openFiles(pid) <= limit);
      } catch (AssertionError e) {
        throw new AssertionError(
            process
                + " had "
                + limit
                + " files open, now "
                + String.join("\n", Os.openFileNames(pid)),
            e);
      }
    }
  }
}
