package io.twinspan.stress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs every jcstress test of this module, in processes of jcstress's own. */
class StressTest {
  private static final long LIMIT_MINUTES = 60;

  @TempDir Path folder;

  @Test
  void noForbiddenOutcomeInAQuickRun() throws Exception {
    run(
        "-m",
        "quick",
        "-time",
        "500",
        "-iters",
        "1",
        "-f",
        "1",
        "-sc",
        "false",
        "-strideSize",
        "256",
        "-strideCount",
        "4");
  }

  @Test
  @Tag("long")
  void noForbiddenOutcomeInALongRun() throws Exception {
    run("-m", "default", "-strideSize", "256", "-strideCount", "4");
  }

  private void run(String... options) throws IOException, InterruptedException {
    Path log = folder.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add("org.openjdk.jcstress.Main");
    command.addAll(List.of("-r", folder.resolve("report").toString(), "-jvmArgs"));
    command.add("--enable-native-access=ALL-UNNAMED -XX:+UseSerialGC");
    command.addAll(List.of(options));
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      boolean ended = process.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES);
      assertThat(ended).as("jcstress ended within %d minutes", LIMIT_MINUTES).isTrue();
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    String output = Files.readString(log);
    assertThat(process.exitValue()).as(output).isZero();
    assertThat(output).contains("Failed tests: No matches", "Error tests: No matches");
  }
}
