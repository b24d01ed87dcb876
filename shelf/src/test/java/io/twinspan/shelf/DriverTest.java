package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.ControllerFeatures;
import io.twinspan.nvme.ControllerState;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.SmartLog;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.VfioUserDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The shelf under the driver of {@code nvme}, over real sockets. */
class DriverTest {
  private static final long DRIVE_BYTES = 64 << 20;
  private static final int BLOCKS = (int) (DRIVE_BYTES / 2 / 4096);
  private static final long MEMORY_BYTES = 8 << 20;
  private static final Duration TIMEOUT = Duration.ofSeconds(20);

  /** One port of drive 0 with a queue pair, used by the test's thread only. */
  private final class Port implements CompletionHandler<Integer>, AutoCloseable {
    private final NvmeController controller;
    private final DmaMemory memory = DmaMemory.allocate("test", MEMORY_BYTES);
    private final QueuePair<Integer> queue;
    private final List<Integer> statuses = new ArrayList<>();
    private boolean closed;

    private Port(String name, int depth, NvmeOptions how) {
      controller =
          NvmeController.open(VfioUserDevice.connect(options.socket(0, name), TIMEOUT), how);
      controller.map(memory);
      queue = controller.createQueuePair(depth, this);
    }

    @Override
    public void completed(Integer request, int status) {
      statuses.add(status);
    }

    private MemorySegment data() {
      return memory.segment();
    }

    /** Submits until it is taken, and waits for the one completion. */
    private int run(IntSupplier submit) {
      statuses.clear();
      assertThat(submit.getAsInt()).isEqualTo(Status.SUCCESS);
      await(1);
      return statuses.getFirst();
    }

    private void await(int completions) {
      long end = System.nanoTime() + TIMEOUT.toNanos();
      while (statuses.size() < completions && System.nanoTime() < end) {
        if (queue.poll(64) == 0) {
          LockSupport.parkNanos(10_000);
        }
      }
      assertThat(statuses).hasSize(completions);
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        queue.close();
        controller.close();
        memory.close();
      }
    }
  }

  @TempDir private Path directory;
  private final List<Port> ports = new ArrayList<>();
  private ShelfOptions options;
  private Shelf shelf;

  @BeforeEach
  void start() {
    options =
        new ShelfOptions(directory, directory, 1, DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST");
    shelf = new Shelf(options).start();
  }

  @AfterEach
  void stop() {
    ports.forEach(Port::close);
    shelf.close();
  }

  @Test
  void whatIsWrittenIsReadAtAllSizesAndAlignments() {
    Port port = open("a", 8);
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] model = new byte[BLOCKS * 4096];
    for (int round = 0; round < 300; round++) {
      int blocks = 1 + random.nextInt(random.nextBoolean() ? 4 : 256);
      int lba = random.nextInt(BLOCKS - blocks);
      long offset = 4L * random.nextInt((int) (MEMORY_BYTES - blocks * 4096L) / 4);
      byte[] bytes = new byte[blocks * 4096];
      if (random.nextBoolean()) {
        random.nextBytes(bytes);
        MemorySegment.copy(bytes, 0, port.data(), ValueLayout.JAVA_BYTE, offset, bytes.length);
        System.arraycopy(bytes, 0, model, lba * 4096, bytes.length);
        assertThat(port.run(() -> port.queue.write(1, lba, blocks, port.data(), offset, 0)))
            .as("seed %d", seed)
            .isZero();
      } else {
        assertThat(port.run(() -> port.queue.read(1, lba, blocks, port.data(), offset, 0)))
            .as("seed %d", seed)
            .isZero();
        MemorySegment.copy(port.data(), ValueLayout.JAVA_BYTE, offset, bytes, 0, bytes.length);
        MemorySegment expected = MemorySegment.ofArray(model).asSlice(lba * 4096L, blocks * 4096L);
        assertThat(MemorySegment.ofArray(bytes).mismatch(expected))
            .as("seed %d", seed)
            .isEqualTo(-1);
      }
    }
    assertThat(port.run(() -> port.queue.flush(1, 0))).isZero();
  }

  @Test
  void dataSurvivesARestartOfTheShelf() {
    Port before = open("a", 8);
    before.data().asSlice(0, 4096).fill((byte) 0x5a);
    assertThat(before.run(() -> before.queue.write(2, 100, 1, before.data(), 0, 0))).isZero();
    long eui64 = before.controller.identifyNamespace(2).eui64();
    before.close();
    shelf.close();
    shelf = new Shelf(options).start();
    Port after = open("b", 8);
    assertThat(after.run(() -> after.queue.read(2, 100, 1, after.data(), 0, 0))).isZero();
    assertThat(after.data().get(ValueLayout.JAVA_BYTE, 4095)).isEqualTo((byte) 0x5a);
    IdentifyNamespace same = after.controller.identifyNamespace(2);
    assertThat(same.eui64()).isEqualTo(eui64);
    assertThat(same.sizeBlocks()).isEqualTo(BLOCKS);
  }

  @Test
  void deepQueuesWrapAroundAndAnswerEveryCommandOnce() {
    Port port = open("a", 64);
    int submitted = 0;
    long end = System.nanoTime() + TIMEOUT.toNanos();
    while (port.statuses.size() < 20_000 && System.nanoTime() < end) {
      while (submitted < 20_000
          && port.queue.read(1, submitted % BLOCKS, 1, port.data(), 4096L * (submitted % 64), 0)
              == Status.SUCCESS) {
        submitted++;
      }
      var _ = port.queue.poll(64);
    }
    assertThat(port.statuses).hasSize(20_000).containsOnly(Status.SUCCESS);
    ShelfStatus.Queue counted =
        shelf.status().drives().getFirst().ports().getFirst().queues().get(1);
    assertThat(counted.commands()).isEqualTo(20_000);
    assertThat(counted.bytes()).isEqualTo(20_000L * 4096);
    assertThat(counted.errors()).isZero();
  }

  @Test
  void zeroedBlocksReadAsZeroes() {
    Port port = open("a", 8);
    port.data().asSlice(0, 3 * 4096).fill((byte) 1);
    assertThat(port.run(() -> port.queue.write(1, 0, 3, port.data(), 0, 0))).isZero();
    assertThat(port.run(() -> port.queue.writeZeroes(1, 1, 1, true, 0))).isZero();
    assertThat(port.run(() -> port.queue.read(1, 0, 3, port.data(), 0, 0))).isZero();
    assertThat(port.data().get(ValueLayout.JAVA_BYTE, 4095)).isOne();
    assertThat(port.data().get(ValueLayout.JAVA_BYTE, 4096)).isZero();
    assertThat(port.data().get(ValueLayout.JAVA_BYTE, 8192)).isOne();
  }

  @Test
  void requestsOfAnyLengthAndAtAnyByteOfMemoryArrive() {
    Port port = open("a", 4);
    assertThat(port.controller.identifyController().sglSupport() & 3).isOne();
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 20; round++) {
      int blocks = 1 + random.nextInt(1000);
      int lba = random.nextInt(BLOCKS - blocks);
      long bytes = blocks * 4096L;
      long from = random.nextLong(MEMORY_BYTES / 2 - bytes);
      long to = MEMORY_BYTES / 2 + random.nextLong(MEMORY_BYTES / 2 - bytes);
      byte[] written = new byte[(int) bytes];
      random.nextBytes(written);
      MemorySegment.copy(written, 0, port.data(), ValueLayout.JAVA_BYTE, from, written.length);
      assertThat(port.run(() -> port.queue.write(1, lba, blocks, port.data(), from, 0))).isZero();
      assertThat(port.run(() -> port.queue.compare(1, lba, blocks, port.data(), from, 0))).isZero();
      assertThat(port.run(() -> port.queue.read(1, lba, blocks, port.data(), to, 0))).isZero();
      assertThat(port.data().asSlice(to, bytes).mismatch(MemorySegment.ofArray(written)))
          .as("seed %d", seed)
          .isEqualTo(-1);
      int last = lba + blocks - 1;
      assertThat(port.run(() -> port.queue.deallocate(1, last, 1, 0))).isZero();
      assertThat(port.run(() -> port.queue.compare(1, lba, blocks, port.data(), from, 0)))
          .isEqualTo(Status.COMPARE_FAILURE);
    }
  }

  @Test
  void uncorrectableBlocksAreFoundByVerify() {
    Port port = open("a", 4);
    assertThat(port.run(() -> port.queue.verify(1, 0, BLOCKS, 0))).isZero();
    assertThat(port.run(() -> port.queue.writeUncorrectable(1, BLOCKS - 5, 3, 0))).isZero();
    assertThat(port.run(() -> port.queue.verify(1, 0, BLOCKS, 0)))
        .isEqualTo(Status.UNRECOVERED_READ);
    assertThat(port.controller.logs().errors(1).getFirst().status())
        .isEqualTo(Status.UNRECOVERED_READ);
    assertThat(port.controller.logs().smart().mediaErrors()).isOne();
    assertThat(port.run(() -> port.queue.writeZeroes(1, 0, BLOCKS, true, 0))).isZero();
    assertThat(port.run(() -> port.queue.verify(1, 0, BLOCKS, 0))).isZero();
  }

  @Test
  void whatIsToPersistSurvivesARestartOfTheShelf() {
    Port before = open("a", 8);
    before.controller.setHostIdentifier(1, 1);
    before.controller.features().set(Feature.RESERVATION_PERSISTENCE, 1, 1, false);
    assertThat(register(before, 0xa)).isZero();
    assertThat(acquire(before, Reservation.ACQUIRE, 0xa, 0)).isZero();
    assertThat(before.run(() -> before.queue.writeUncorrectable(2, 5, 1, 0))).isZero();
    assertThat(before.run(() -> before.queue.read(2, 5, 1, before.data(), 0, 0)))
        .isEqualTo(Status.UNRECOVERED_READ);
    before.close();
    shelf.close();
    shelf = new Shelf(options).start();

    Port after = open("b", 8);
    after.controller.setHostIdentifier(2, 2);
    assertThat(after.run(() -> after.queue.read(1, 0, 1, after.data(), 0, 0)))
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(after.run(() -> after.queue.read(2, 5, 1, after.data(), 0, 0)))
        .isEqualTo(Status.UNRECOVERED_READ);
    assertThat(
            after
                .controller
                .features()
                .get(Feature.RESERVATION_PERSISTENCE, 1, ControllerFeatures.Select.CURRENT, 0))
        .isOne();
    SmartLog smart = after.controller.logs().smart();
    assertThat(smart.powerCycles()).isEqualTo(2);
    assertThat(smart.unsafeShutdowns()).isZero();
    assertThat(smart.mediaErrors()).isEqualTo(2);
    assertThat(smart.errorLogEntries()).isEqualTo(3);
  }

  @Test
  void aDriveThatIsPulledOutIsGoneAndComesBack() {
    Port port = open("a", 8);
    FaultPlan faults = shelf.drives().getFirst().faults();
    faults.add(Fault.parse("remove opcode=flush count=1"));
    assertThat(port.run(() -> port.queue.flush(1, 0))).isEqualTo(Status.GONE);
    assertThat(port.controller.state()).isEqualTo(ControllerState.GONE);
    assertThat(faults.isRemoved()).isTrue();
    faults.insert();
    Port again = open("a", 8);
    assertThat(again.run(() -> again.queue.flush(1, 0))).isZero();
  }

  @Test
  void aCompletionThatIsLostIsAborted() {
    Duration shortly = Duration.ofMillis(200);
    Port port =
        new Port(
            "a",
            8,
            new NvmeOptions(
                SystemClock.INSTANCE,
                TIMEOUT,
                shortly,
                TIMEOUT,
                1,
                true,
                Thread::startVirtualThread));
    ports.add(port);
    shelf.drives().getFirst().faults().add(Fault.parse("drop count=1"));
    assertThat(port.run(() -> port.queue.flush(2, 0))).isEqualTo(Status.ABORT_REQUESTED);
    assertThat(port.run(() -> port.queue.flush(2, 0))).isZero();
    assertThat(port.controller.isReady()).isTrue();
  }

  @Test
  void aDriveThatIsInUseIsNotReset() {
    Port port = open("a", 8);
    String target = NvmeTarget.VFIO_USER + options.socket(0, "a");
    assertThatThrownBy(() -> NvmeTarget.openController(target, NvmeOptions.DEFAULTS).reset())
        .isInstanceOf(TwinspanException.class);
    assertThat(port.controller.isReady()).isTrue();
    assertThat(port.run(() -> port.queue.read(1, 0, 1, port.data(), 0, 0))).isZero();
  }

  @Test
  void manyRequestsPastThePageCacheAreAnswered() {
    shelf.close();
    options = options.withMedium(MediumKind.DIRECT_FILE);
    try {
      shelf = new Shelf(options).start();
    } catch (ErrnoException e) {
      Assumptions.assumeFalse(e.errno() == Errno.EINVAL, "no direct I/O here");
      throw e;
    }
    Port port = open("a", 32);
    for (int round = 0; round < 20; round++) {
      byte fill = (byte) (round + 1);
      port.statuses.clear();
      port.data().asSlice(0, 16 * 4096).fill(fill);
      for (int i = 0; i < 16; i++) {
        assertThat(port.queue.write(1, i, 1, port.data(), 4096L * i, i)).isZero();
      }
      port.await(16);
      for (int i = 0; i < 16; i++) {
        assertThat(port.queue.read(1, i, 1, port.data(), 65536 + 4096L * i, i)).isZero();
      }
      port.await(32);
      assertThat(port.statuses).containsOnly(0);
      assertThat(port.data().asSlice(65536, 65536).mismatch(port.data().asSlice(0, 65536)))
          .isEqualTo(-1);
    }
  }

  @Test
  void everyMediumServes() {
    shelf.close();
    for (MediumKind kind : List.of(MediumKind.MEMORY, MediumKind.NULL)) {
      options = options.withMedium(kind);
      shelf = new Shelf(options).start();
      Port port = open("a", 8);
      port.data().asSlice(0, 4096).fill((byte) 1);
      assertThat(port.run(() -> port.queue.write(1, 3, 1, port.data(), 0, 0))).isZero();
      assertThat(port.run(() -> port.queue.flush(1, 0))).isZero();
      assertThat(port.run(() -> port.queue.read(1, 3, 1, port.data(), 4096, 0))).isZero();
      assertThat(port.data().get(ValueLayout.JAVA_BYTE, 4096))
          .isEqualTo((byte) (kind == MediumKind.MEMORY ? 1 : 0));
      port.close();
      shelf.close();
    }
  }

  @Test
  void preemptionFencesTheOtherPort() {
    Port a = open("a", 8);
    Port b = open("b", 8);
    a.controller.setHostIdentifier(1, 1);
    b.controller.setHostIdentifier(2, 2);
    assertThat(register(a, 0xa)).isZero();
    assertThat(register(b, 0xb)).isZero();
    assertThat(acquire(a, Reservation.ACQUIRE, 0xa, 0)).isZero();
    assertThat(a.run(() -> a.queue.write(1, 0, 1, a.data(), 0, 0))).isZero();
    assertThat(b.run(() -> b.queue.read(1, 0, 1, b.data(), 0, 0)))
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(acquire(b, Reservation.PREEMPT_AND_ABORT, 0xb, 0xa)).isZero();
    assertThat(a.run(() -> a.queue.write(1, 0, 1, a.data(), 0, 0)))
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(a.run(() -> a.queue.read(1, 0, 1, a.data(), 0, 0)))
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(b.run(() -> b.queue.write(1, 0, 1, b.data(), 0, 0))).isZero();
    assertThat(a.run(() -> a.queue.write(2, 0, 1, a.data(), 0, 0))).isZero();
  }

  @Test
  void killedClientLeavesItsPortFreeAndTheOtherAlone() throws Exception {
    Port b = open("b", 16);
    for (int round = 0; round < 2; round++) {
      Process killed = KilledClient.start(options.socket(0, "a"));
      assertThat(killed.inputReader().readLine()).isEqualTo(KilledClient.BUSY);
      assertThat(b.run(() -> b.queue.flush(1, 0))).isZero();
      killed.destroyForcibly().waitFor();
      assertThat(b.run(() -> b.queue.read(1, 0, 1, b.data(), 0, 0))).isZero();
    }
    Port a = open("a", 16);
    assertThat(a.run(() -> a.queue.write(1, 0, 1, a.data(), 0, 0))).isZero();
    assertThat(b.run(() -> b.queue.write(1, 0, 1, b.data(), 0, 0))).isZero();
  }

  @Test
  void quietClientIsServedWhenItSpeaksAgain() throws InterruptedException {
    Port port = open("a", 8);
    for (int round = 0; round < 5; round++) {
      Thread.sleep(20); // long enough for the drive to fall asleep: the wake-up is what is tested
      assertThat(port.run(() -> port.queue.read(1, 7, 1, port.data(), 0, 0))).isZero();
    }
  }

  private Port open(String name, int depth) {
    Port port = new Port(name, depth, NvmeOptions.DEFAULTS);
    ports.add(port);
    return port;
  }

  private static int register(Port port, long key) {
    return port.run(
        () -> port.queue.reservationRegister(1, Reservation.REGISTER, false, 0, key, 0));
  }

  private static int acquire(Port port, int action, long key, long victim) {
    return port.run(() ->
        port.queue.reservationAcquire(1, action, Reservation.EXCLUSIVE_ACCESS, key, victim, 0));
  }
}
