package io.twinspan.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every example, in two processes. */
class ExamplesTest {
  @TempDir Path folder;

  @Test
  void pingPong() throws Exception {
    assertThat(run(PingPong.class)).contains("100000 round trips of 64 bytes");
  }

  @Test
  void remoteKeyValue() throws Exception {
    assertThat(run(RemoteKeyValue.class)).contains("red: #ff0000", "mauve: not there", "#0000ff");
  }

  @Test
  void twoChannels() throws Exception {
    assertThat(run(TwoChannels.class)).contains("20000 questions", "MB/s of bulk");
  }

  @Test
  void privateQueue() throws Exception {
    ShelfOptions options =
        new ShelfOptions(folder, folder, 1, 64 << 20, ShelfOptions.DUAL_PORTED, "TEST");
    String socket = folder.resolve("broker").toString();
    try (Shelf _ = new Shelf(options).start()) {
      Process broker = start(DriveBroker.class, "vfio-user:" + options.socket(0, "a"), socket);
      Process user = start(PrivateQueue.class, socket);
      try {
        String output = new String(user.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(output).contains("read back: written through a private queue");
        assertThat(user.waitFor()).isZero();
        broker.getOutputStream().close();
        assertThat(broker.waitFor(30, TimeUnit.SECONDS)).as("broker ended").isTrue();
        assertThat(broker.exitValue()).isZero();
      } finally {
        broker.destroyForcibly();
        user.destroyForcibly();
      }
    }
  }

  private String run(Class<?> example) throws IOException, InterruptedException {
    String socket = folder.resolve("example.sock").toString();
    Process b = start(example, "b", socket);
    Process a = start(example, "a", socket);
    try {
      assertThat(a.waitFor(60, TimeUnit.SECONDS)).as("a ended").isTrue();
      assertThat(b.waitFor(10, TimeUnit.SECONDS)).as("b ended").isTrue();
      String output = new String(a.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(a.exitValue()).as(output).isZero();
      assertThat(b.exitValue()).isZero();
      return output;
    } finally {
      a.destroyForcibly();
      b.destroyForcibly();
    }
  }

  private static Process start(Class<?> example, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), example.getName()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }
}
