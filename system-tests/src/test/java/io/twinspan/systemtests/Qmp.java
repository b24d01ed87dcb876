package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Gives a running QEMU orders, in its machine protocol, over a socket that it was started with. For
 * one thread; waits as long as QEMU takes, or until that thread is interrupted.
 */
final class Qmp implements AutoCloseable {
  private static final JsonMapper JSON = new JsonMapper();

  private final SocketChannel channel;
  private final BufferedReader in;

  /** Connects to a QEMU that has booted. */
  Qmp(Path socket) {
    try {
      channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
      in = new BufferedReader(Channels.newReader(channel, UTF_8));
      assertThat(receive().has("QMP")).isTrue();
      execute("qmp_capabilities", "{}");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Has a command carried out, and asserts that it was. */
  void execute(String command, String arguments) {
    String line = "{\"execute\":\"%s\",\"arguments\":%s}\n".formatted(command, arguments);
    try {
      ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(UTF_8));
      while (bytes.hasRemaining()) {
        var _ = channel.write(bytes);
      }
      JsonNode answer = receive();
      while (answer.has("event")) {
        answer = receive();
      }
      assertThat(answer.has("return")).as("%s: %s", line, answer).isTrue();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private JsonNode receive() throws IOException {
    String line = in.readLine();
    if (line == null) {
      throw new AssertionError("QEMU has ended");
    }
    return JSON.readTree(line);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
