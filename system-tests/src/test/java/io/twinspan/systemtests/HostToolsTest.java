package io.twinspan.systemtests;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Clients of other people, through both controllers, with a controller lost in between. */
@Timeout(180)
class HostToolsTest {
  @RegisterExtension static final TestArray ARRAY = TestArray.with();

  @TempDir private Path folder;

  @BeforeEach
  void bothControllersServe() {
    for (String controller : TestArray.CONTROLLERS) {
      if (!Os.isAlive(ARRAY.pid("controller-" + controller))) {
        ARRAY.cli("controller", "start", controller).ok();
      }
    }
    ARRAY.awaitInStep();
  }

  private Program run(String... command) {
    return Program.run(folder, command);
  }

  /** A file system of 64 MiB with real files in it: the Java runtime's libraries. */
  private Path makeImage() throws IOException {
    Path image = folder.resolve("image");
    Path content = Files.createDirectory(folder.resolve("content"));
    Path libraries = Path.of(System.getProperty("java.home"), "lib");
    try (Stream<Path> files = Files.walk(libraries)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".so")).toList()) {
        Files.copy(file, content.resolve(file.getFileName()), REPLACE_EXISTING);
      }
    }
    run("mkfs.ext4", "-q", "-d", content.toString(), image.toString(), "64M").ok();
    return image;
  }

  @Test
  @RequiresTool({"mkfs.ext4", "e2fsck", "nbdcopy"})
  void aFileSystemThatWasCopiedInSurvivesTheControllerItWasCopiedTo() throws IOException {
    Path image = makeImage();
    Path back = folder.resolve("back");
    ARRAY.createVolume("fs", "A", "64MiB");
    run("nbdcopy", "--flush", image.toString(), ARRAY.uri("a", "fs")).ok();

    ARRAY.kill("controller-a");
    run("nbdcopy", ARRAY.uri("b", "fs"), back.toString()).ok();

    assertThat(Files.mismatch(image, back)).as("first byte that differs").isEqualTo(-1);
    run("e2fsck", "-fn", back.toString()).ok();
    ARRAY.cli("volume", "delete", "fs").ok();
  }

  @Test
  @RequiresTool("nbdinfo")
  void everyVolumeIsListedByBothControllers() {
    ARRAY.createVolume("listed-a", "A", "16MiB");
    ARRAY.createVolume("listed-b", "B", "24MiB");
    for (String controller : TestArray.CONTROLLERS) {
      JsonNode list = run("nbdinfo", "--json", "--list", ARRAY.uri(controller, "")).json();

      List<String> exports =
          StreamSupport.stream(list.path("exports").spliterator(), false)
              .map(e -> e.path("export-name").asString() + " " + e.path("export-size").asLong())
              .toList();
      assertThat(exports).contains("listed-a " + (16 << 20), "listed-b " + (24 << 20));
      JsonNode one = run("nbdinfo", "--json", ARRAY.uri(controller, "listed-a")).json();
      JsonNode export = one.path("exports").path(0);
      for (String can : List.of("can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero")) {
        assertThat(export.path(can).asBoolean()).as(can).isTrue();
      }
      assertThat(export.path("is_read_only").asBoolean(true)).isFalse();
    }
  }

  @Test
  @RequiresTool("nbdinfo")
  void anExportThatIsNotThereIsRefused() {
    Program refused = run("nbdinfo", ARRAY.uri("a", "never-made"));

    assertThat(refused.status()).isNotZero();
    assertThat(refused.err()).isNotBlank();
  }

  @Test
  @RequiresTool({"mkfs.ext4", "qemu-img"})
  void whatOneControllerTookIsComparedEqualAtTheOther() throws IOException {
    Path image = makeImage();
    for (String pool : List.of("A", "B")) {
      String volume = "qemu-" + pool;
      ARRAY.createVolume(volume, pool, "64MiB");
      run(
              "qemu-img",
              "convert",
              "-n",
              "-f",
              "raw",
              "-O",
              "raw",
              image.toString(),
              ARRAY.uri("a", volume))
          .ok();
      run("qemu-img", "compare", "-f", "raw", "-F", "raw", image.toString(), ARRAY.uri("b", volume))
          .ok();
      ARRAY.cli("volume", "delete", volume).ok();
    }
  }

  @Test
  @RequiresTool("fio")
  void fioVerifiesWhatFourJobsWroteThroughBothControllers() throws IOException {
    List<String> job = new ArrayList<>();
    job.addAll(
        List.of(
            "[global]",
            "ioengine=nbd",
            "rw=randwrite",
            "bsrange=4k-64k",
            "iodepth=8",
            "size=12m",
            "verify=crc32c",
            "do_verify=1",
            "verify_fatal=1",
            "verify_state_save=0"));
    int place = 0;
    for (String pool : List.of("A", "B")) {
      ARRAY.createVolume("fio-" + pool, pool, "32MiB");
      for (String controller : TestArray.CONTROLLERS) {
        job.add("[" + controller + "-" + pool + "]");
        job.add("uri=" + ARRAY.uri(controller, "fio-" + pool));
        job.add("offset=" + place++ % 2 * 16 + "m");
      }
    }
    Path file = Files.write(folder.resolve("verify.fio"), job);

    Program fio = run("fio", "--output-format=json", file.toString()).ok();

    JsonNode report = new JsonMapper().readTree(fio.out().substring(fio.out().indexOf('{')));
    assertThat(report.path("jobs")).hasSize(4);
    for (JsonNode each : report.path("jobs")) {
      assertThat(each.path("error").asInt(-1)).isZero();
      assertThat(each.path("write").path("io_bytes").asLong()).isEqualTo(12 << 20);
      assertThat(each.path("read").path("io_bytes").asLong()).as("verified").isEqualTo(12 << 20);
    }
    ARRAY.cli("volume", "delete", "fio-A").ok();
    ARRAY.cli("volume", "delete", "fio-B").ok();
  }
}
