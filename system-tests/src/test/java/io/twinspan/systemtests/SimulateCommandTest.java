package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code twinspan simulate} as a process. */
@Timeout(120)
class SimulateCommandTest {
  private static final int ENDED_BY_INT = 130;

  @TempDir private Path folder;

  @Test
  void anInterruptEndsItWithWhatWasDone() throws IOException, InterruptedException {
    Path out = folder.resolve("out");
    Process process = start(out, "--seeds", "0..999999999", "--json");
    try {
      TestArray.await("courses to run", () -> runsCourses(process.pid()));

      assertThat(Processes.kill((int) process.pid(), Signal.INT)).isTrue();

      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).isEqualTo(ENDED_BY_INT);
      JsonNode report = new JsonMapper().readTree(Files.readString(out));
      assertThat(report.path("courses").asInt(-1)).isBetween(0, 999_999);
      assertThat(report.path("violations").isArray()).isTrue();
    } finally {
      process.destroyForcibly();
    }
  }

  private static Process start(Path out, String... options) throws IOException {
    // Whoever runs in a shell's background was told to ignore SIGINT, and so were its children.
    List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
    List<String> arguments = new ArrayList<>(List.of("simulate"));
    arguments.addAll(List.of(options));
    command.addAll(TestArray.command(arguments));
    return new ProcessBuilder(command)
        .redirectOutput(out.toFile())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  /** Its threads have names, which the kernel tells. */
  private static boolean runsCourses(long pid) {
    try (Stream<Path> threads = Files.list(Path.of("/proc/" + pid + "/task"))) {
      return threads.anyMatch(thread -> name(thread).startsWith("course-"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String name(Path thread) {
    try {
      return Files.readString(thread.resolve("comm"));
    } catch (IOException e) {
      return ""; // it has ended meanwhile
    }
  }
}
