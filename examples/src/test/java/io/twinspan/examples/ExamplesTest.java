package io.twinspan.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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

  private String run(Class<?> example) throws IOException, InterruptedException {
    Process b = start(example, "b");
    Process a = start(example, "a");
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

  private Process start(Class<?> example, String side) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            example.getName(),
            side,
            folder.resolve("example.sock").toString())
        .redirectErrorStream(true)
        .start();
  }
}
