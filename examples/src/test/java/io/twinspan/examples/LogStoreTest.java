package io.twinspan.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Processes;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogStoreTest {
  private static final int LINES = 200;

  @TempDir private Path folder;

  @Test
  void whatWasAcknowledgedIsThereAfterAKill() throws Exception {
    ShelfOptions options = new ShelfOptions(folder, folder, 1, 64 << 20, List.of("a"), "LOG");
    String target = NvmeTarget.VFIO_USER + options.socket(0, "a");
    try (Shelf _ = new Shelf(options).start()) {
      int acknowledged = appendUntilKilled(target);
      List<String> recovered = recover(target);

      assertThat(recovered.size()).isBetween(acknowledged, LINES);
      for (int i = 0; i < recovered.size(); i++) {
        assertThat(recovered.get(i)).isEqualTo(line(i));
      }
      assertThat(recover(target)).as("the same again").isEqualTo(recovered);
    }
  }

  /** Kills the process when some lines were acknowledged; returns how many were. */
  private static int appendUntilKilled(String target) throws IOException, InterruptedException {
    Process process = start(target);
    int acknowledged = 0;
    try (BufferedReader output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      StringBuilder lines = new StringBuilder();
      for (int i = 0; i < LINES; i++) {
        lines.append(line(i)).append('\n');
      }
      process.getOutputStream().write(lines.toString().getBytes(StandardCharsets.UTF_8));
      process.getOutputStream().flush();
      for (String said = output.readLine(); said != null; said = output.readLine()) {
        acknowledged += said.startsWith("durable ") ? 1 : 0;
        if (acknowledged == LINES / 4 && process.isAlive()) {
          Processes.kill((int) process.pid(), Processes.Signal.KILL);
        }
      }
    } finally {
      process.destroyForcibly().waitFor();
    }
    assertThat(acknowledged).isGreaterThanOrEqualTo(LINES / 4);
    return acknowledged;
  }

  private static List<String> recover(String target) throws IOException, InterruptedException {
    Process process = start(target);
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    String found =
        output
            .lines()
            .filter(line -> line.startsWith("recovered "))
            .findFirst()
            .orElseThrow(() -> new AssertionError(output));
    return List.of(found.replaceFirst("recovered \\d+: ", "").split(" ", -1));
  }

  /** Most of a block, or a little more than one. */
  private static String line(int index) {
    return index + "x".repeat(index % 3 == 0 ? 5000 : 10);
  }

  private static Process start(String target) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            LogStore.class.getName(),
            target)
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }
}
