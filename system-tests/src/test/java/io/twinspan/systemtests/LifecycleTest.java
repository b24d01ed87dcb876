package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.twinspan.target.nbd.NbdClient;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import tools.jackson.databind.JsonNode;

/** Up, status, down, and what is there afterwards. */
@Timeout(180)
class LifecycleTest {
  @RegisterExtension static final TestArray ARRAY = TestArray.with();

  private static final int BYTES = 3 << 20;

  @BeforeEach
  void isUp() {
    ARRAY.ensureUp();
  }

  private static ByteBuffer content(long seed) {
    byte[] bytes = new byte[BYTES];
    new Random(seed).nextBytes(bytes);
    return ByteBuffer.wrap(bytes);
  }

  private static void write(TestArray array, String controller, String volume, long seed) {
    try (NbdClient client = array.open(controller, volume)) {
      client.write(8192, content(seed), false);
      client.flush();
    }
  }

  private static void assertHolds(TestArray array, String controller, String volume, long seed) {
    try (NbdClient client = array.open(controller, volume)) {
      ByteBuffer back = ByteBuffer.allocate(BYTES);
      client.read(8192, back);
      assertThat(back.flip().mismatch(content(seed)))
          .as(volume + " through " + controller)
          .isEqualTo(-1);
    }
  }

  @Test
  void statusTellsWhatThereIs() {
    ARRAY.awaitInStep();
    ARRAY.createVolume("seen-a", "A", "64MiB");
    ARRAY.createVolume("seen-b", "B", "32MiB");
    for (String controller : TestArray.CONTROLLERS) {
      write(ARRAY, controller, "seen-a", 1); // one of both is forwarded
      write(ARRAY, controller, "seen-b", 2);
    }

    JsonNode status = ARRAY.status();

    assertThat(status.path("controllers")).hasSize(2);
    for (JsonNode controller : status.path("controllers")) {
      String name = controller.path("name").asString();
      assertThat(name).isIn("a", "b");
      assertThat(controller.path("pid").asInt()).isEqualTo(ARRAY.pid("controller-" + name));
      assertThat(controller.path("state").asString()).isEqualTo("SERVING");
      assertThat(controller.path("ownedPools")).hasSize(1);
      assertThat(controller.path("ownedPools").path(0).asString())
          .isEqualTo(name.equals("a") ? "A" : "B");
      assertThat(controller.path("nbd")).hasSize(2);
      assertThat(controller.path("residentBytes").asLong()).isBetween(20L << 20, 1L << 30);
      assertThat(controller.path("channels")).hasSize(5);
      long bytes = 0;
      for (JsonNode channel : controller.path("channels")) {
        assertThat(channel.path("name").asString()).isNotEmpty();
        assertThat(channel.path("operations").isIntegralNumber()).isTrue();
        assertThat(channel.path("errors").asLong()).as("%s", channel).isZero();
        bytes += channel.path("bytes").asLong();
      }
      assertThat(bytes).as("what went over the link").isGreaterThan(BYTES);
    }
    assertThat(status.path("link").path("state").asString()).isEqualTo("UP");
    assertThat(status.path("link").path("epoch").asLong()).isPositive();
    assertDrives(status.path("drives"));
    // A volume's use is told once a second, not with each write.
    await().untilAsserted(() -> assertVolumes(ARRAY.status().path("volumes")));
  }

  @Test
  void theLinkIsShownAsBothControllersSeeIt() {
    JsonNode controllers = ARRAY.cli("link", "show", "--json").json().path("controllers");

    assertThat(controllers).hasSize(2);
    for (JsonNode controller : controllers) {
      JsonNode link = controller.path("link");
      assertThat(link.path("up").asBoolean()).isTrue();
      assertThat(link.path("channels")).hasSize(5);
      for (JsonNode channel : link.path("channels")) {
        assertThat(channel.path("up").asBoolean()).isTrue();
        assertThat(channel.path("rings")).isNotEmpty();
        assertThat(channel.path("queuePairs").path(0).path("state").asString()).isEqualTo("RTS");
      }
    }
    assertThat(ARRAY.cli("link", "show").ok().out()).contains("management", "RTS", "ring inline");
  }

  @Test
  void poolsAreHandedOverAndBack() {
    ARRAY.awaitInStep();
    ARRAY.createVolume("moved", "A", "64MiB");
    write(ARRAY, "a", "moved", 3);

    JsonNode there = ARRAY.cli("controller", "handover", "a", "--json").json();

    assertThat(there.path("to").asString()).isEqualTo("b");
    assertThat(there.path("pools")).hasSize(1);
    assertThat(there.path("pools").path(0).path("pool").asString()).isEqualTo("A");
    assertThat(there.path("pools").path(0).path("waitedMs").isNumber()).isTrue();
    for (String controller : TestArray.CONTROLLERS) {
      assertHolds(ARRAY, controller, "moved", 3);
    }
    ARRAY
        .cli("controller", "handover", "a", "--pool", "A")
        .refused(1, "controller a does not have pool A");
    assertThat(ARRAY.cli("controller", "handover", "b", "--pool", "A").ok().out())
        .contains("pool A is with controller a now");
    ARRAY.awaitInStep();
    assertHolds(ARRAY, "b", "moved", 3);
  }

  private static void assertDrives(JsonNode drives) {
    assertThat(drives).hasSize(3);
    for (JsonNode drive : drives) {
      assertThat(drive.path("name").asString()).startsWith("drive");
      assertThat(drive.path("state").asString()).isNotEmpty();
      Set<String> ports = new TreeSet<>();
      for (JsonNode queue : drive.path("queues")) {
        ports.add(queue.path("port").asString());
        assertThat(queue.path("queue").asInt()).isPositive();
        assertThat(queue.path("depth").asInt()).isGreaterThanOrEqualTo(8);
        assertThat(queue.path("commands").asLong()).isPositive();
      }
      assertThat(ports).as("each controller has its own queue").containsExactly("a", "b");
    }
  }

  private static void assertVolumes(JsonNode volumes) {
    for (String name : List.of("seen-a", "seen-b")) {
      assertThat(volumes)
          .filteredOn(v -> v.path("name").asString().equals(name))
          .singleElement()
          .satisfies(v -> {
            boolean first = name.equals("seen-a");
            assertThat(v.path("pool").asString()).isEqualTo(first ? "A" : "B");
            assertThat(v.path("owner").asString()).isEqualTo(first ? "a" : "b");
            assertThat(v.path("sizeBytes").asLong()).isEqualTo(first ? 64L << 20 : 32L << 20);
            assertThat(v.path("usedBytes").asLong()).isBetween((long) BYTES, 2L * BYTES);
          });
    }
  }

  @Test
  void whatWasWrittenIsThereAfterDownAndUp() {
    ARRAY.createVolume("kept", "A", "16MiB");
    ARRAY.createVolume("gone", "B", "16MiB");
    write(ARRAY, "b", "kept", 3);
    ARRAY.cli("volume", "delete", "gone").ok();
    ARRAY.cli("volume", "resize", "kept", "32MiB").ok();

    ARRAY.down();
    assertThat(ARRAY.leftovers()).isEmpty();
    ARRAY.up();

    for (String controller : TestArray.CONTROLLERS) {
      assertHolds(ARRAY, controller, "kept", 3);
    }
    JsonNode volumes = ARRAY.cli("volume", "list", "--json").json();
    assertThat(volumes)
        .filteredOn(v -> v.path("name").asString().equals("kept"))
        .singleElement()
        .satisfies(v -> assertThat(v.path("sizeBytes").asLong()).isEqualTo(32L << 20));
    assertThat(volumes).noneMatch(v -> v.path("name").asString().equals("gone"));
  }

  @Test
  void upOnAnArrayThatIsUpChangesNothing() {
    List<Integer> before = TestArray.PROCESSES.stream().map(ARRAY::pid).toList();

    ARRAY.up();

    assertThat(TestArray.PROCESSES.stream().map(ARRAY::pid).toList()).isEqualTo(before);
  }

  @Test
  void whatWasFlushedIsThereAfterAllThreeProcessesCrashed() {
    ARRAY.createVolume("crash-a", "A", "16MiB");
    ARRAY.createVolume("crash-b", "B", "16MiB");
    write(ARRAY, "a", "crash-a", 4);
    write(ARRAY, "a", "crash-b", 5);

    TestArray.PROCESSES.reversed().forEach(ARRAY::kill);
    assertThat(ARRAY.leftovers()).as("sockets that the crash left").isNotEmpty();
    Program up = ARRAY.cli("up").ok();

    assertThat(up.err()).contains("left by a run that crashed");
    for (String controller : TestArray.CONTROLLERS) {
      assertHolds(ARRAY, controller, "crash-a", 4);
      assertHolds(ARRAY, controller, "crash-b", 5);
    }
  }

  @Test
  void upStartsWhatIsMissing() {
    ARRAY.createVolume("missing", "A", "16MiB");
    write(ARRAY, "a", "missing", 6);
    int b = ARRAY.pid("controller-b");

    ARRAY.cli("controller", "kill", "a").ok();
    assertHolds(ARRAY, "b", "missing", 6);
    ARRAY.up();

    assertThat(ARRAY.pid("controller-b")).isEqualTo(b);
    ARRAY.awaitInStep();
    assertHolds(ARRAY, "a", "missing", 6);
  }

  @Test
  void twoArraysLiveSideBySide() {
    try (TestArray other = TestArray.with("shelf.drives = 2", "shelf.drive-size = 256MiB")) {
      other.up();
      ARRAY.createVolume("twin", "A", "16MiB");
      other.createVolume("twin", "A", "8MiB");
      write(ARRAY, "a", "twin", 7);
      write(other, "a", "twin", 8);

      assertHolds(ARRAY, "b", "twin", 7);
      assertHolds(other, "b", "twin", 8);
      other.down();
      assertHolds(ARRAY, "b", "twin", 7);
    }
  }

  @Test
  void drivesAreListedAsIdentified() {
    JsonNode drives = ARRAY.cli("nvme", "list", "--json").json();

    assertThat(drives).hasSize(3);
    Set<String> serials = new TreeSet<>();
    for (JsonNode drive : drives) {
      serials.add(drive.path("serial").asString());
      assertThat(drive.path("model").asString()).isNotBlank();
      assertThat(drive.path("namespaces")).hasSize(2);
    }
    assertThat(serials).as("all different").hasSize(3);
    assertThat(ARRAY.cli("nvme", "list").ok().out()).hasLineCount(1 + 3 * 2);
  }

  @Test
  void whatIsInTheDirectoryIsForItsUserOnly() throws IOException {
    try (var files = Files.walk(ARRAY.directory())) {
      for (var file :
          files.filter(f -> f.toString().matches(".*(\\.sock|\\.img|identity)")).toList()) {
        boolean open =
            Files.getPosixFilePermissions(file).stream()
                .anyMatch(p -> p.name().startsWith("OTHERS") || p.name().startsWith("GROUP"));
        boolean inPrivate =
            PosixFilePermissions.toString(Files.getPosixFilePermissions(file.getParent()))
                .equals("rwx------");
        assertThat(!open || inPrivate).as("%s is private", file).isTrue();
      }
    }
  }

  @Test
  void aVolumeIsRefusedWithAReasonWhereItCannotBe() {
    ARRAY.createVolume("once", "A", "16MiB");

    ARRAY.cli("volume", "create", "once", "16MiB").refused(1, "once");
    ARRAY.cli("volume", "resize", "once", "8MiB").refused(1, "--shrink");
    ARRAY.cli("volume", "resize", "never", "8MiB").refused(1, "never");
    ARRAY.cli("volume", "delete", "never").refused(1, "never");
    ARRAY.cli("controller", "start", "a").refused(1, "running already");
    ARRAY.cli("up", "--drives", "5").refused(1, "twinspan.conf");
  }

  @Test
  void anIdleArrayUsesNextToNothing() {
    ARRAY.awaitInStep();
    TestArray.pause(1000);
    long[] before = TestArray.PROCESSES.stream().mapToLong(p -> Os.cpuMs(ARRAY.pid(p))).toArray();
    long begun = System.nanoTime();
    TestArray.pause(10_000);
    double seconds = (System.nanoTime() - begun) / 1e9;
    long[] used = TestArray.PROCESSES.stream().mapToLong(p -> Os.cpuMs(ARRAY.pid(p))).toArray();
    long sum = 0;
    JsonNode status = ARRAY.status();
    for (int i = 0; i < used.length; i++) {
      sum += used[i] - before[i];
      JsonNode its = i == 0 ? status.path("shelf") : status.path("controllers").path(i - 1);
      System.out.printf(
          "idle: %-12s %5.2f %% of a core, %d MiB resident%n",
          TestArray.PROCESSES.get(i),
          (used[i] - before[i]) / seconds / 10,
          its.path("residentBytes").asLong() >> 20);
    }
    System.out.printf("idle: %.2f %% of a core together%n", sum / seconds / 10);
    assertThat(sum / seconds / 10).as("percent of a core").isLessThan(10);
  }
}
