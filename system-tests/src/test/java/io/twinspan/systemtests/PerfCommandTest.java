package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** {@code twinspan perf} with real processes: what it prints, and what becomes of them. */
@Timeout(120)
class PerfCommandTest {
  private static final long LONG = 1_500_000_000;

  /** More than will be done, and a mark by which this test's processes are found. */
  private final long iterations = LONG + System.nanoTime() % 500_000_000;

  @TempDir private Path folder;

  @AfterEach
  void nothingRuns() {
    TestArray.await("both sides to be gone", () -> sides().isEmpty());
  }

  private List<Integer> sides() {
    return Os.processesWith("iterations=" + iterations);
  }

  private Process start(String... arguments) throws IOException {
    // Whoever runs in a shell's background was told to ignore SIGINT, and so were its children.
    List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
    command.addAll(TestArray.command(List.of(arguments)));
    return new ProcessBuilder(command)
        .redirectOutput(folder.resolve("out").toFile())
        .redirectError(folder.resolve("err").toFile())
        .start();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "send_lat",
        "send_bw",
        "write_lat",
        "write_bw",
        "write_imm_lat",
        "write_imm_bw",
        "read_lat",
        "read_bw",
        "atomic_lat",
        "atomic_bw"
      })
  void measuresAndPrintsWhatItPromises(String test) {
    JsonNode result =
        TestArray.twinspan("perf", test, "--size", "8", "--iterations", "2000", "--json").json();

    assertThat(result.propertyNames())
        .containsExactly(
            "test",
            "size",
            "p50Us",
            "p99Us",
            "p999Us",
            "maxUs",
            "megabytesPerSecond",
            "messagesPerSecond",
            "limit",
            "ratioToLimit");
    assertThat(result.path("test").asString()).isEqualTo(test);
    assertThat(result.path("size").asInt()).isEqualTo(8);
    for (String number : result.propertyNames()) {
      if (!number.equals("test")) {
        assertThat(result.path(number).asDouble()).as(number).isPositive();
      }
    }
  }

  @Test
  void tellsHowFarAFloodOnOneChannelHoldsUpAnother() {
    JsonNode result =
        TestArray.twinspan("perf", "isolation", "--iterations", "2000", "--json").json();

    for (String number : List.of("p99Us", "idleP50Us", "idleP99Us", "copyUs", "ratioToLimit")) {
      assertThat(result.path(number).asDouble()).as(number).isPositive();
    }
  }

  @Test
  void rotatesOverMoreMemoryThanItsHeapHas() {
    String rotate = "200MiB";
    TestArray.twinspan(
            "perf", "write_bw", "--size", "1MiB", "--iterations", "100", "--rotate", rotate)
        .ok();
  }

  @Test
  void sleepsBetweenMessagesIfToldTo() {
    TestArray.twinspan("perf", "send_lat", "--wait", "adaptive", "--iterations", "50", "--json")
        .json();
  }

  @Test
  void measuresBetweenTwoCommands() throws Exception {
    String socket = folder.resolve("perf.sock").toString();
    Process listener = start("perf", "send_bw", "--iterations", "1000", "--listen", socket);

    Program leader =
        TestArray.twinspan("perf", "send_bw", "--iterations", "1000", "--connect", socket).ok();

    assertThat(leader.out()).startsWith("send_bw, 64KiB").contains("MemorySegment.copy");
    assertThat(listener.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(listener.exitValue()).isZero();
  }

  @Test
  void nobodyThereIsOneLineAndStatus1() {
    TestArray.twinspan("perf", "send_lat", "--connect", folder.resolve("none").toString())
        .refused(1, "no peer at " + folder.resolve("none"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"KILL", "INT", "TERM"})
  void itsEndIsTheEndOfBothSides(Signal signal) throws Exception {
    Process command = start("perf", "write_bw", "--iterations", "" + iterations);
    awaitBothSides();

    Processes.kill(Math.toIntExact(command.pid()), signal);

    assertThat(command.waitFor(20, TimeUnit.SECONDS)).isTrue(); // and nothingRuns()
  }

  @Test
  void aSideThatDiesEndsTheMeasurementWithAReason() throws Exception {
    Process command = start("perf", "write_bw", "--iterations", "" + iterations);
    awaitBothSides();

    Processes.kill(sides().getFirst(), Signal.KILL);

    assertThat(command.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(command.exitValue()).isEqualTo(1);
    assertThat(folder.resolve("err")).content().startsWith("twinspan: ").hasLineCount(1);
  }

  private void awaitBothSides() {
    TestArray.await("both sides to run", () -> sides().size() == 2);
  }
}
