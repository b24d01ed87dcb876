package io.twinspan.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The command line by itself: no process is started here. */
class TwinspanTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final PrintStream realOut = System.out;
  private final PrintStream realErr = System.err;
  @TempDir private Path folder;

  @BeforeEach
  void capture() {
    System.setOut(new PrintStream(out, true, UTF_8));
    System.setErr(new PrintStream(err, true, UTF_8));
  }

  @AfterEach
  void letGo() {
    System.setOut(realOut);
    System.setErr(realErr);
  }

  private int run(String line) {
    String[] words = line.isEmpty() ? new String[0] : line.split(" ", -1);
    for (int i = 0; i < words.length; i++) {
      words[i] = words[i].replace("DIR", folder.resolve("array").toString());
    }
    return Twinspan.run(words);
  }

  private void assertOneLine(String expected) {
    assertThat(out.toString(UTF_8)).isEmpty();
    assertThat(err.toString(UTF_8)).startsWith("twinspan: ").contains(expected).hasLineCount(1);
  }

  static Stream<String> commands() {
    return names("", new CommandLine(Twinspan.class));
  }

  private static Stream<String> names(String prefix, CommandLine command) {
    return Stream.concat(
        Stream.of(prefix.strip()),
        command.getSubcommands().entrySet().stream()
            .flatMap(entry -> names(prefix + entry.getKey() + " ", entry.getValue())));
  }

  @Test
  void hasEveryCommand() {
    assertThat(commands())
        .contains(
            "",
            "up",
            "down",
            "status",
            "volume",
            "volume create",
            "volume list",
            "volume resize",
            "volume delete",
            "controller kill",
            "fsck",
            "snapshot",
            "clone",
            "pool show",
            "pool scrub",
            "drive fail",
            "drive replace",
            "controller stop",
            "controller cont",
            "controller start",
            "nvme list",
            "nvme id-ctrl",
            "nvme id-ns",
            "nvme smart-log",
            "nvme error-log",
            "nvme queues",
            "nvme reset",
            "nvme perf",
            "shelf",
            "shelf fault",
            "demo",
            "link show",
            "perf",
            "version");
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandExplainsItself(String command) {
    assertThat(run((command + " --help").strip())).isZero();

    String help = out.toString(UTF_8);
    assertThat(help).startsWith("Usage: " + ("twinspan " + command).strip());
    assertThat(help)
        .as("no option without a word on it")
        .doesNotContainPattern("--\\w+\\s*\\n\\s*-");
    assertThat(help.lines()).hasSizeGreaterThan(2);
    assertThat(err.toString(UTF_8)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "no-such-command",
        "--no-such-option",
        "up --drives",
        "up --no-such-option",
        "up superfluous",
        "up --drives 1 --dir DIR",
        "up --drives 17 --dir DIR",
        "up --drives four --dir DIR",
        "up --drive-size 1MiB --dir DIR",
        "up --drive-size huge --dir DIR",
        "status extra",
        "volume",
        "volume create",
        "volume create v",
        "volume create v 1GiB extra",
        "volume create v big",
        "volume create v -1",
        "volume create v 0",
        "volume create v 1GiB --pool C",
        "volume create /etc 1GiB",
        "volume resize v",
        "volume delete",
        "controller",
        "controller kill",
        "controller kill c",
        "controller explode a",
        "nvme",
        "nvme id-ctrl",
        "nvme id-ctrl drive0 --target vfio-user:x",
        "nvme reset",
        "nvme perf",
        "nvme perf --media null --target vfio-user:x",
        "nvme perf --media tape",
        "nvme perf --media null --iodepth 1024",
        "nvme perf --media null --rw sideways",
        "nvme perf --media null --bs 2MiB",
        "nvme perf --media null --cpu 0",
        "shelf --drives 65 --dir DIR",
        "shelf --drive-size 1MiB --dir DIR",
        "shelf --ports A --dir DIR",
        "shelf --media tape --dir DIR",
        "shelf fault",
        "demo --input",
        "link",
        "link show extra",
        "simulate --seeds many",
        "simulate --faults RAIN",
        "simulate --threads 0",
        "simulate --threads 1025",
        "perf",
        "perf no_such_lat",
        "perf send_lat --size big",
        "perf send_lat --size -1",
        "perf send_lat --size 2GiB",
        "perf write_lat --size 12",
        "perf atomic_bw --size 16",
        "perf send_bw --depth 100",
        "perf send_bw --qps 17",
        "perf send_bw --iterations 0",
        "perf send_bw --rotate 1TiB",
        "perf send_lat --wait sometimes",
        "perf send_lat --engine steam",
        "perf send_lat --cpu 0",
        "perf send_lat --cpu 0,1,2",
        "perf send_lat --cpu x,y",
        "perf send_lat --cpu 0,5000",
        "perf send_lat --listen DIR --connect DIR",
        "version extra"
      })
  void wrongUsageIsOneLineAndStatus2(String line) throws IOException {
    assertThat(run(line)).isEqualTo(2);

    assertOneLine("--help");
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).as("nothing is made").isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "status --dir DIR",
        "down --dir DIR",
        "volume list --dir DIR",
        "volume create v 1GiB --dir DIR",
        "volume delete v --dir DIR",
        "controller kill a --dir DIR",
        "controller start b --dir DIR",
        "nvme smart-log drive0 --dir DIR",
        "link show --dir DIR"
      })
  void aMissingArrayIsOneLineAndStatus1(String line) {
    assertThat(run(line)).isEqualTo(1);

    assertOneLine("there is no array in " + folder.resolve("array"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"nvme list --dir DIR", "nvme queues --dir DIR", "shelf fault drive0 --dir DIR"})
  void aMissingShelfIsOneLineAndStatus1(String line) {
    assertThat(run(line)).isEqualTo(1);

    assertOneLine("no shelf is running in " + folder.resolve("array"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nvme id-ctrl --target floppy|\"floppy\" is no drive",
        "nvme list --target kernel:/dev/no-such-drive|/dev/no-such-drive",
        "nvme smart-log --target vfio:ffff:ff:1f.7|ffff:ff:1f.7",
        "nvme reset --target broker:x|broker:x is shared with other processes"
      })
  void aDriveThatIsNotToBeHadIsOneLineAndStatus1(String lineAndMessage) {
    String[] parts = lineAndMessage.split("\\|", 2);

    assertThat(run(parts[0])).isEqualTo(1);

    assertOneLine(parts[1]);
  }

  @Test
  void tooLongADirectoryIsSaidAtOnce() {
    assertThat(run("up --dir /tmp/" + "x".repeat(100))).isEqualTo(1);

    assertOneLine("too long by");
  }

  @Test
  void aFileInTheWayIsSaidAtOnce() throws IOException {
    Files.createFile(folder.resolve("array"));

    assertThat(run("up --dir DIR")).isEqualTo(1);

    assertOneLine("is in the way");
  }

  @Test
  void anInputThatIsNotThereIsSaidAtOnce() {
    assertThat(run("demo --input DIR/none")).isEqualTo(1);

    assertOneLine("there is no " + folder.resolve("array/none"));
  }

  @Test
  void theVersionIsOneObject() {
    assertThat(run("version --json")).isZero();

    JsonNode json = new JsonMapper().readTree(out.toByteArray());
    assertThat(json.path("version").asString("")).isNotEmpty();
    assertThat(json.path("java").asString("")).startsWith("25");
  }

  @Test
  void theVersionIsALineForPeople() {
    assertThat(run("version")).isZero();
    assertThat(out.toString(UTF_8)).startsWith("twinspan ").hasLineCount(1);
  }

  @Test
  void theVersionOptionSaysTheSame() {
    assertThat(run("--version")).isZero();
    assertThat(out.toString(UTF_8)).startsWith("twinspan ");
  }
}
