package io.twinspan.controller;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

@Timeout(60)
class ControlServerTest {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  @TempDir private Path folder;
  private final AtomicInteger asked = new AtomicInteger();
  private final CountDownLatch never = new CountDownLatch(1);
  private Path path;
  private ControlServer server;

  @BeforeEach
  void startServer() {
    path = folder.resolve("c.sock");
    server = ControlServer.start(path, this::handle);
  }

  @AfterEach
  void stopServer() {
    never.countDown();
    server.close();
  }

  private JsonNode handle(String command, JsonNode request) {
    asked.incrementAndGet();
    return switch (command) {
      case "echo" -> request.path("text");
      case "refuse" -> throw new TwinspanException("no, because");
      case "fail" -> throw new IllegalStateException("a fault");
      case "hang" -> {
        try {
          never.await();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        yield JsonNodeFactory.instance.objectNode();
      }
      default -> throw new TwinspanException("there is no command \"" + command + "\"");
    };
  }

  private static ObjectNode request(String command) {
    return JsonNodeFactory.instance.objectNode().put("command", command);
  }

  private void assertStillAnswers() {
    JsonNode answer = ControlServer.ask(path, request("echo").put("text", "hi"), PATIENCE);
    assertThat(answer.stringValue()).isEqualTo("hi");
  }

  private SocketChannel connect() throws IOException {
    return SocketChannel.open(UnixDomainSocketAddress.of(path));
  }

  /** Sends bytes and returns what is answered until the server closes. */
  private String exchange(byte[] bytes) throws IOException {
    try (SocketChannel channel = connect()) {
      ByteBuffer out = ByteBuffer.wrap(bytes);
      while (out.hasRemaining()) {
        channel.write(out);
      }
      channel.shutdownOutput();
      return new String(Channels.newInputStream(channel).readAllBytes(), UTF_8);
    }
  }

  @Test
  void answersOneQuestionPerConnection() {
    assertStillAnswers();
    assertStillAnswers();
    assertThat(asked).hasValue(2);
  }

  @Test
  void isForItsUserOnly() throws IOException {
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
        .isEqualTo("rw-------");
  }

  @Test
  void tellsTheAskerWhyItRefuses() {
    assertThatThrownBy(() -> ControlServer.ask(path, request("refuse"), PATIENCE))
        .isExactlyInstanceOf(TwinspanException.class)
        .hasMessage("no, because");
    assertThatThrownBy(() -> ControlServer.ask(path, request("no-such"), PATIENCE))
        .hasMessageContaining("no-such");
  }

  @Test
  void aFaultOfAHandlerIsAnAnswerToo() {
    assertThatThrownBy(() -> ControlServer.ask(path, request("fail"), PATIENCE))
        .hasMessageContaining("internal error")
        .hasMessageContaining("a fault");
    assertStillAnswers();
  }

  @Test
  void anAskerDoesNotWaitForever() {
    assertThatThrownBy(() -> ControlServer.ask(path, request("hang"), Duration.ofMillis(200)))
        .isInstanceOf(ControlServer.UnreachableException.class)
        .hasMessageContaining("200 ms");
    assertStillAnswers();
  }

  @Test
  void whoIsNotThereIsUnreachable() {
    server.close();

    assertThat(path).doesNotExist();
    assertThatThrownBy(() -> ControlServer.ask(path, request("echo"), PATIENCE))
        .isInstanceOf(ControlServer.UnreachableException.class)
        .hasMessageContaining(path.toString());
  }

  @Test
  void takesThePlaceOfASocketThatADeadProcessLeft() throws IOException {
    Path stale = Files.createFile(folder.resolve("stale.sock"));

    try (ControlServer second = ControlServer.start(stale, (c, r) -> r)) {
      assertThat(second).isNotNull();
      assertThat(ControlServer.ask(stale, request("x"), PATIENCE).path("command").stringValue())
          .isEqualTo("x");
    }
    assertThat(stale).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "x\n",
        "{\n",
        "[1,2]\n",
        "7\n",
        "null\n",
        "\"command\"\n",
        "{}\n",
        "{\"command\": 7}\n",
        "{\"command\": null}\n",
        "{\"command\": \"echo\", \"command\n",
        "   \n",
        "\u0000\u0001\u0002\n"
      })
  void garbageIsRefusedWithAReason(String garbage) throws IOException {
    assertThat(exchange(garbage.getBytes(UTF_8))).contains("\"ok\":false").contains("error");
    assertThat(asked).hasValue(0);
    assertStillAnswers();
  }

  @Test
  void nestingWithoutEndIsRefused() throws IOException {
    assertThat(exchange(("[".repeat(50_000) + "\n").getBytes(UTF_8))).contains("\"ok\":false");
    assertStillAnswers();
  }

  @Test
  void randomBytesDoNoHarm() throws IOException {
    long seed = System.nanoTime();
    System.out.println("ControlServerTest seed " + seed);
    Random random = new Random(seed);
    for (int i = 0; i < 50; i++) {
      byte[] bytes = new byte[random.nextInt(2000)];
      random.nextBytes(bytes);
      assertThat(exchange(bytes)).doesNotContain("\"ok\":true");
    }
    assertThat(asked).hasValue(0);
    assertStillAnswers();
  }

  @Test
  void aQuestionThatIsTooLongIsNotReadOn() throws IOException {
    byte[] endless = new byte[ControlServer.MAX_REQUEST_BYTES + 1];
    Arrays.fill(endless, (byte) ' ');
    endless[endless.length - 1] = '\n';

    try {
      assertThat(exchange(endless)).isEmpty();
    } catch (IOException e) {
      assertThat(e).as("closed before all was sent").hasMessageMatching("(?i).*(pipe|reset).*");
    }
    assertStillAnswers();
  }

  @Test
  void theLongestQuestionIsAnswered() {
    int fixed = request("echo").put("text", "").toString().length() + 1;
    String text = "x".repeat(ControlServer.MAX_REQUEST_BYTES - fixed);

    assertThat(ControlServer.ask(path, request("echo").put("text", text), PATIENCE).stringValue())
        .isEqualTo(text);
  }

  @Test
  void aSilentConnectionIsClosedAndOthersAreAnsweredMeanwhile() throws IOException {
    Path hasty = folder.resolve("hasty.sock");
    try (ControlServer impatient =
            ControlServer.start(hasty, this::handle, Duration.ofMillis(100));
        SocketChannel silent = SocketChannel.open(UnixDomainSocketAddress.of(hasty));
        SocketChannel half = SocketChannel.open(UnixDomainSocketAddress.of(hasty))) {
      assertThat(impatient).isNotNull();
      half.write(ByteBuffer.wrap("{\"command\"".getBytes(UTF_8)));

      assertThat(
              ControlServer.ask(hasty, request("echo").put("text", "hi"), PATIENCE).stringValue())
          .isEqualTo("hi");

      assertThat(silent.read(ByteBuffer.allocate(1))).as("closed at the deadline").isEqualTo(-1);
      assertThat(half.read(ByteBuffer.allocate(1))).isEqualTo(-1);
    }
  }

  @Test
  void moreThanItsLimitOfConnectionsAreClosedAndItRecovers() throws IOException {
    List<SocketChannel> silent = new ArrayList<>();
    try {
      for (int i = 0; i < 16; i++) {
        silent.add(connect());
      }
      try (SocketChannel tooMany = connect()) {
        assertThat(tooMany.read(ByteBuffer.allocate(1))).isEqualTo(-1);
      }
    } finally {
      for (SocketChannel channel : silent) {
        channel.close();
      }
    }
    Awaitility.await().ignoreExceptions().untilAsserted(this::assertStillAnswers);
  }
}
