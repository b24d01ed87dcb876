package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.Broker;
import io.twinspan.nvme.BrokerOptions;
import io.twinspan.nvme.BrokeredDrive;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** {@code twinspan shelf} without an array, and {@code twinspan nvme} at its drives. */
@Timeout(120)
class NvmeCommandTest {
  @TempDir private Path folder;
  private Path dir;
  private Process shelf;
  private String target;

  @BeforeEach
  void start() throws IOException {
    dir = folder.resolve("s");
    target = "vfio-user:" + dir.resolve("drive0-a.sock");
    Path out = folder.resolve("out");
    List<String> command =
        TestArray.command(
            List.of(
                "shelf", "--dir", dir.toString(), "--media", "memory", "--drive-size", "64MiB"));
    shelf =
        new ProcessBuilder(command)
            .redirectOutput(out.toFile())
            .redirectError(folder.resolve("err").toFile())
            .start();
    TestArray.await("the sockets to be told", () -> read(out).contains("drive0 b"));
    assertThat(read(out)).contains("drive0 a  " + target + "\n");
  }

  @AfterEach
  void end() throws InterruptedException, IOException {
    shelf.destroy();
    assertThat(shelf.waitFor(30, TimeUnit.SECONDS)).isTrue();
    try (Stream<Path> files = Files.list(dir)) {
      assertThat(files).extracting(Path::getFileName).containsExactly(Path.of("shelf.lock"));
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Program nvme(String... arguments) {
    return TestArray.twinspan(
        Stream.concat(Stream.of("nvme"), Stream.of(arguments)).toArray(String[]::new));
  }

  private Program fault(String... arguments) {
    List<String> all = new ArrayList<>(List.of("shelf", "fault", "drive0"));
    all.addAll(List.of(arguments));
    all.addAll(List.of("--dir", dir.toString()));
    return TestArray.twinspan(all.toArray(String[]::new));
  }

  @ParameterizedTest
  @CsvSource({
    "id-ctrl, mn, Twinspan emulated NVMe drive",
    "id-ns, nsze, 8192",
    "smart-log, critical_warning, 0"
  })
  void aDriveTellsWhatNvmeCliWouldShow(String command, String field, String value) {
    JsonNode report = nvme(command, "--target", target, "--json").json();

    assertThat(report.path(field).asString()).isEqualTo(value);
    assertThat(nvme(command, "--target", target).ok().out()).contains(value);
  }

  @Test
  void theDrivesOfAShelfThatRunsAloneAreListed() {
    JsonNode drives = nvme("list", "--dir", dir.toString(), "--json").json();

    assertThat(drives).hasSize(1);
    assertThat(drives.path(0).path("name").asString()).isEqualTo("drive0");
    assertThat(drives.path(0).path("namespaces").path(1).path("sizeBytes").asLong())
        .isEqualTo(32 << 20);
    JsonNode same = nvme("list", "--target", target, "--json").json();
    for (String field : List.of("serial", "model", "firmware", "namespaces")) {
      assertThat(same.path(0).path(field)).isEqualTo(drives.path(0).path(field));
    }
    assertThat(nvme("list", "--dir", dir.toString()).ok().out())
        .contains("Twinspan emulated NVMe drive", "32.0 MiB", "4KiB")
        .hasLineCount(1 + 2);
  }

  @Test
  void aBrokerIsRunByAFileUntilItIsAskedToEnd() throws IOException, InterruptedException {
    Path socket = folder.resolve("b.sock");
    Path configuration = folder.resolve("b.conf");
    Path out = folder.resolve("b.out");
    Files.write(
        configuration,
        List.of("--target=" + target, "--socket=" + socket, "--grant=others=ns1:0-63:read"));
    Process broker =
        new ProcessBuilder(TestArray.command(List.of("nvme", "broker", "@" + configuration)))
            .redirectOutput(out.toFile())
            .redirectError(folder.resolve("b.err").toFile())
            .start();
    try {
      TestArray.await("the broker to serve", () -> read(out).contains("directly"));
      try (BrokeredDrive drive = BrokeredDrive.connect(socket)) {
        assertThat(drive.isDirect()).isTrue();
        assertThat(drive.grant().range()).isEqualTo(new NamespaceRange(1, 0, 64, false));
      }
    } finally {
      broker.destroy();
      assertThat(broker.waitFor(30, TimeUnit.SECONDS)).isTrue();
    }
    assertThat(socket).doesNotExist();
  }

  @Test
  void everyCommandWorksThroughABroker() {
    Path socket = folder.resolve("b.sock");
    String lent = "broker:" + socket;
    NamespaceRange range = new NamespaceRange(2, 100, 64, false);
    try (NvmeController drive = NvmeTarget.openController(target, NvmeOptions.DEFAULTS);
        Broker _ =
            Broker.start(drive, socket, BrokerOptions.DEFAULTS.withRanges(Map.of(), range))) {
      for (String command : List.of("id-ctrl", "id-ns", "smart-log", "error-log", "list")) {
        assertThat(nvme(command, "--target", lent, "--json").json()).as(command).isNotNull();
      }
      JsonNode result =
          nvme("perf", "--target", lent, "--runtime", "1", "--iodepth", "8", "--json").json();
      assertThat(result.path("iops").asDouble()).isPositive();
      assertThat(result.path("target").asString()).isEqualTo(lent);
      nvme("perf", "--target", lent, "--rw", "write", "--runtime", "1")
          .refused(1, "does not let this process write");
      nvme("reset", "--target", lent).refused(1, "is shared with other processes");
    }
  }

  @Test
  void commandsThatAreOrderedToFailAreInTheErrorLog() {
    assertThat(fault("status", "opcode=read", "count=1").ok().out())
        .contains("status opcode=2 count=1");

    nvme("perf", "--target", target, "--runtime", "1").refused(1, "a command failed");

    JsonNode errors = nvme("error-log", "--target", target, "--json").json();
    assertThat(errors).hasSize(1);
    assertThat(errors.path(0).path("status_field").asInt()).isEqualTo(6);
    assertThat(fault().ok().out()).doesNotContain("status");
  }

  @Test
  void aDriveThatIsPulledOutIsNotThere() {
    fault("remove").ok();
    assertThat(nvme("id-ctrl", "--target", target).out()).isEmpty();
    assertThat(nvme("list", "--dir", dir.toString(), "--json").json()).isEmpty();

    fault("insert").ok();
    nvme("id-ctrl", "--target", target).ok();
    nvme("reset", "--target", target).ok();
  }

  @Test
  void measuresAndPrintsWhatItPromises() {
    JsonNode result =
        nvme("perf", "--media", "null", "--runtime", "1", "--iodepth", "4", "--json").json();

    assertThat(result.propertyNames())
        .containsExactly(
            "rw",
            "bs",
            "iodepth",
            "target",
            "iops",
            "megabytesPerSecond",
            "p50Us",
            "p99Us",
            "p999Us",
            "limit",
            "ratioToLimit");
    assertThat(result.path("iops").asDouble()).isPositive();
    assertThat(result.path("ratioToLimit").asDouble()).isPositive();
  }
}
