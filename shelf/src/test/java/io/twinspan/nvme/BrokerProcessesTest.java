package io.twinspan.nvme;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A broker and processes of two other users; needs root, to become them. What is promised is the
 * same whether the drive keeps processes apart or the broker does: this class plays the first,
 * {@link MediatedBrokerProcessesTest} the second.
 */
class BrokerProcessesTest {
  private static final int ALICE = 65534;
  private static final int BOB = 65533;
  private static final long BOBS_BLOCKS = 2048;
  private static final long DRIVE_BYTES = 64 << 20;
  private static final int KILLS = 4;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir private Path directory;
  private final List<Process> processes = new ArrayList<>();
  private Shelf shelf;
  private NvmeController drive;
  private Path socket;
  private Broker broker;

  @BeforeEach
  void start() throws IOException {
    assumeTrue(Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0), "is root");
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")), "has setpriv");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    ShelfOptions options =
        new ShelfOptions(directory, directory, 1, DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST");
    shelf = new Shelf(options).start();
    drive =
        NvmeController.open(
            device(VfioUserDevice.connect(options.socket(0, "a"), PATIENCE)), NvmeOptions.DEFAULTS);
    socket = directory.resolve("broker");
    broker =
        Broker.start(
            drive,
            socket,
            BrokerOptions.DEFAULTS
                .withSocketMode(0666)
                .withAdministrators(Set.of(ALICE))
                .withRanges(
                    Map.of(
                        ALICE,
                        new NamespaceRange(1, 0, BOBS_BLOCKS, true),
                        BOB,
                        new NamespaceRange(1, BOBS_BLOCKS, BOBS_BLOCKS, true)),
                    NamespaceRange.NOTHING));
  }

  @AfterEach
  void stop() {
    processes.forEach(Process::destroyForcibly);
    if (broker != null) {
      broker.close();
      assertThat(queuePairs()).isZero();
      drive.close();
      shelf.close();
    }
  }

  @Test
  void whoIsKilledInMidIoLosesAllWhileOthersGoOn() throws Exception {
    Process bob = start(BOB, "work", socket.toString(), Long.toString(BOBS_BLOCKS));
    BufferedReader bobs = bob.inputReader(UTF_8);
    var _ = awaitBusy(bobs);
    for (int i = 0; i < KILLS; i++) {
      Process alice = start(ALICE, "work", socket.toString(), "0");
      var _ = awaitBusy(alice.inputReader(UTF_8));
      assertThat(queuePairs()).isEqualTo(2);
      long killedNs = System.nanoTime();
      alice.destroyForcibly();
      awaitOne(killedNs);
      System.out.printf("given back %d us after the kill%n", sinceUs(killedNs));
      assertThat(queuePairs()).isOne();
    }
    bob.getOutputStream().write('\n');
    bob.getOutputStream().flush();
    assertThat(bobs.readLine()).isEqualTo(BrokerProcess.SOUND);
  }

  @Test
  void nothingThatAnAttackerTriesReachesAnother() throws Exception {
    Process bob = start(BOB, "work", socket.toString(), Long.toString(BOBS_BLOCKS));
    BufferedReader bobs = bob.inputReader(UTF_8);
    String bobsMemory = awaitBusy(bobs);
    String own = Long.toString(BOBS_BLOCKS - 16);

    String told =
        output(
            start(ALICE, "attack", socket.toString(), bobsMemory, own, Long.toString(BOBS_BLOCKS)));

    List<String> lines =
        told.lines().filter(line -> line.contains(": ")).map(String::strip).toList();
    assertThat(lines)
        .containsExactly(
            "own read: 0x000",
            "read to victim: 0x004",
            "write from victim: 0x004",
            "compare with victim: 0x004",
            "second page of victim: 0x004",
            "list with victim: 0x004",
            "list in victim: 0x004",
            "SGL of victim: " + (isDirect() ? "0x004" : "0x002"), // which the broker does not take
            "read to broker: 0x004",
            "ranges in victim: 0x004",
            "read theirs: 0x286",
            "read across: 0x286",
            "write theirs: 0x286",
            "zero theirs: 0x286",
            "spoil theirs: 0x286",
            "verify theirs: 0x286",
            "deallocate theirs: 0x286",
            "reserve: 0x001",
            "memory: refused",
            "depth: refused",
            "queues: refused",
            "unsealed: refused",
            "delete: refused",
            "create: refused",
            "abort: refused",
            "rings of victim: refused",
            "rings of victim: refused",
            "rings of broker: refused",
            "unmap rings: refused",
            "still reads: 0x000",
            "after unmap: 0x004");
    bob.getOutputStream().write('\n');
    bob.getOutputStream().flush();
    assertThat(bobs.readLine()).isEqualTo(BrokerProcess.SOUND);
  }

  @Test
  void whoMisbehavesLosesAllAtOnceWhileOthersGoOn() throws Exception {
    Process bob = start(BOB, "work", socket.toString(), Long.toString(BOBS_BLOCKS));
    BufferedReader bobs = bob.inputReader(UTF_8);
    var _ = awaitBusy(bobs);
    for (String how : List.of("tail", "negative", "bell", "words")) {
      assertThat(output(start(ALICE, "misbehave", socket.toString(), how)))
          .as(how)
          .contains("lost");
      awaitOne(System.nanoTime());
      assertThat(queuePairs()).isOne();
    }
    bob.getOutputStream().write('\n');
    bob.getOutputStream().flush();
    assertThat(bobs.readLine()).isEqualTo(BrokerProcess.SOUND);
  }

  @Test
  void usersAreToldApart() throws Exception {
    String alice = output(start(ALICE, "ask", socket.toString(), "0"));
    String bob = output(start(BOB, "ask", socket.toString(), "0"));
    String stranger = output(start(BOB - 1, "ask", socket.toString(), "0"));

    String model = "model " + drive.identifyController().modelNumber();
    assertThat(alice).contains(model, "set 0x000", "read 0x000");
    assertThat(bob).contains(model, "set 0x015", "read 0x286");
    assertThat(stranger).contains(model, "set 0x015", "read 0x286");
  }

  @Test
  void memoryAndDoorbellsOfOthersCannotBeOpened() throws Exception {
    Process bob = start(BOB, "work", socket.toString(), Long.toString(BOBS_BLOCKS));
    BufferedReader bobs = bob.inputReader(UTF_8);
    var _ = awaitBusy(bobs);
    String self = Long.toString(ProcessHandle.current().pid());

    assertThat(output(start(ALICE, "pry", Long.toString(bob.pid())))).contains("opened 0");
    assertThat(output(start(ALICE, "pry", self))).contains("opened 0");
    assertThat(bob.isAlive()).isTrue();
  }

  private Process start(int user, String... arguments) throws IOException {
    Process process = BrokerProcess.start(directory, user, arguments);
    processes.add(process);
    return process;
  }

  private static String output(Process process) throws Exception {
    assertThat(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
    return new String(process.getInputStream().readAllBytes(), UTF_8);
  }

  /** The device as the broker's driver finds it. */
  PciDevice device(VfioUserDevice shelfs) {
    return shelfs;
  }

  boolean isDirect() {
    return true;
  }

  /** Returns the DMA address of memory that must not change. */
  private static String awaitBusy(BufferedReader worker) throws IOException {
    String line = worker.readLine();
    assertThat(line).startsWith(BrokerProcess.BUSY);
    return line.substring(BrokerProcess.BUSY.length() + 1);
  }

  private int queuePairs() {
    return shelf.status().drives().getFirst().ports().getFirst().queues().size() - 1;
  }

  private void awaitOne(long sinceNs) {
    while (broker.processes() > 1) {
      assertThat(System.nanoTime() - sinceNs).isLessThan(PATIENCE.toNanos());
      Thread.onSpinWait();
    }
  }

  private static long sinceUs(long ns) {
    return (System.nanoTime() - ns) / 1_000;
  }
}
