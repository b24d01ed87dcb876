package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.UnixSocket;
import io.twinspan.shelf.Fault;
import io.twinspan.shelf.FaultPlan;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Private queues through a broker on a drive of a shelf; here all in one process. What is promised
 * is the same whether the drive keeps processes apart or the broker does: this class plays the
 * first, {@link MediatedBrokerTest} the second.
 */
class BrokerTest {
  private static final int ME = uid();
  private static final long DRIVE_BYTES = 64 << 20;
  private static final int MEMORY_BYTES = 8 << 20;
  private static final int BLOCK = 4096;
  private static final int DEPTH = 16;
  private static final byte SECRET = 0x5e;

  /** First command of a fused operation. */
  private static final int FUSED = 1 << 8;

  /** PRINFO: check the guard. */
  private static final int PROTECTION = 1 << 28;

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  /** A process, as far as the broker can tell. */
  private final class Client implements AutoCloseable {
    private final BrokeredDrive drive = BrokeredDrive.connect(socket);
    private final DmaMemory memory = DmaMemory.allocate("client", MEMORY_BYTES);
    private final MemorySegment data = memory.segment();
    private final List<Integer> statuses = new ArrayList<>();
    private final QueuePair<Integer> queue;

    private Client() {
      drive.map(memory);
      queue = drive.createQueuePair(DEPTH, true, (request, status) -> statuses.add(status));
    }

    private long iova(long offset) {
      return drive.iovaOf(data, offset, 1);
    }

    private int run(IntSupplier submit) {
      statuses.clear();
      assertThat(submit.getAsInt()).isEqualTo(Status.SUCCESS);
      await(1);
      return statuses.getFirst();
    }

    private void await(int count) {
      BrokerTest.await(() -> {
        var _ = queue.poll(DEPTH);
        return statuses.size() >= count;
      });
      assertThat(statuses).hasSize(count);
    }

    /** Sends a command that the library would not send. */
    private int raw(int opcode, int nsid, long lba, int cdw12, long prp1, long prp2) {
      return run(() -> {
        int cid = queue.engine().begin(opcode, 0, 0);
        queue.engine().entry(opcode, cid, nsid).blocks(lba, 1, 0).cdw(12, cdw12).prp(prp1, prp2);
        queue.engine().ring(cid);
        return Status.SUCCESS;
      });
    }

    @Override
    public void close() {
      queue.close();
      drive.close();
      memory.close();
    }
  }

  @TempDir private Path directory;
  private Shelf shelf;
  private NvmeController drive;
  private Path socket;
  private Broker broker;

  private static int uid() {
    List<UnixSocket> pair = UnixSocket.pair();
    int uid = pair.getFirst().peer().uid();
    pair.forEach(UnixSocket::close);
    return uid;
  }

  @BeforeEach
  void start() {
    ShelfOptions options =
        new ShelfOptions(directory, directory, 1, DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST");
    shelf = new Shelf(options).start();
    drive =
        NvmeController.open(
            device(VfioUserDevice.connect(options.socket(0, "a"), PATIENCE)), NvmeOptions.DEFAULTS);
    socket = directory.resolve("broker");
    serve(BrokerOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    broker.close();
    assertThat(queuePairs()).isZero();
    drive.close();
    shelf.close();
  }

  /** The device as the broker's driver finds it. */
  PciDevice device(VfioUserDevice shelfs) {
    return shelfs;
  }

  boolean isDirect() {
    return true;
  }

  /** How many I/O queue pairs the drive has. */
  private int queuePairs() {
    return shelf.status().drives().getFirst().ports().getFirst().queues().size() - 1;
  }

  private void serve(BrokerOptions options) {
    if (broker != null) {
      broker.close();
    }
    broker = Broker.start(drive, socket, options);
  }

  @Test
  void aProcessReadsWhatItWrote() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    try (Client client = new Client()) {
      assertThat(client.drive.isDirect()).isEqualTo(isDirect());
      for (int blocks : new int[] {1, 2, 3, 7, 64, 255, 256, 257, 700}) {
        byte[] bytes = new byte[blocks * BLOCK];
        random.nextBytes(bytes);
        int from = 4 * random.nextInt(1024);
        int to = MEMORY_BYTES / 2 + 4 * random.nextInt(1024);
        MemorySegment.copy(bytes, 0, client.data, ValueLayout.JAVA_BYTE, from, bytes.length);

        int wrote = client.run(() -> client.queue.write(1, 5, blocks, client.data, from, 0));
        int read = client.run(() -> client.queue.read(1, 5, blocks, client.data, to, 0));

        assertThat(List.of(wrote, read)).as("%d blocks", blocks).containsOnly(Status.SUCCESS);
        assertThat(client.data.asSlice(to, bytes.length).mismatch(MemorySegment.ofArray(bytes)))
            .isEqualTo(-1);
      }
      assertThat(client.run(() -> client.queue.flush(1, 0))).isEqualTo(Status.SUCCESS);
      assertThat(client.run(() -> client.queue.compare(1, 5, 1, client.data, 0, 0)))
          .isEqualTo(Status.COMPARE_FAILURE);
      assertThat(client.run(() -> client.queue.deallocate(1, 5, 700, 0))).isEqualTo(Status.SUCCESS);
      assertThat(client.run(() -> client.queue.read(1, 5, 1, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
      assertThat(client.data.get(ValueLayout.JAVA_LONG, 0)).isZero();
    }
  }

  @Test
  void aSleepingProcessIsWokenByItsInterrupt() {
    try (Client client = new Client();
        Poller poller = new Poller()) {
      WakeSource source = client.queue.wakeSource();
      poller.add(source.fd(), 0);
      for (int i = 0; i < 50; i++) {
        client.statuses.clear();
        assertThat(client.queue.read(1, i, 1, client.data, 0, 0)).isEqualTo(Status.SUCCESS);
        source.arm();
        if (client.queue.poll(DEPTH) == 0) {
          assertThat(poller.await(PATIENCE.toNanos())).isPositive();
        }
        source.disarm();
        client.await(1);
      }
    }
  }

  @Test
  void memoryOfAnotherProcessCannotBeNamed() {
    try (Client victim = new Client();
        Client attacker = new Client()) {
      victim.data.fill(SECRET);
      long theirs = victim.iova(0);
      long own = attacker.iova(0);
      long list = attacker.iova(64 << 10);
      for (int i = 0; i < 8; i++) { // a list of own pages, but for the last one
        long page = i < 7 ? own + (long) i * BLOCK : theirs;
        attacker.data.set(ValueLayout.JAVA_LONG, (64 << 10) + 8L * i, page);
      }
      for (int opcode : new int[] {NvmOpcode.READ, NvmOpcode.WRITE, NvmOpcode.COMPARE}) {
        assertThat(attacker.raw(opcode, 1, 0, 0, theirs, 0)).isEqualTo(Status.DATA_TRANSFER_ERROR);
        assertThat(attacker.raw(opcode, 1, 0, 1, own, theirs))
            .isEqualTo(Status.DATA_TRANSFER_ERROR);
        assertThat(attacker.raw(opcode, 1, 0, 8, own, list)).isEqualTo(Status.DATA_TRANSFER_ERROR);
        assertThat(attacker.raw(opcode, 1, 0, 8, own, theirs))
            .isEqualTo(Status.DATA_TRANSFER_ERROR);
        assertThat(attacker.raw(opcode, 1, 0, 0, -4096, 0)).isEqualTo(Status.DATA_TRANSFER_ERROR);
      }
      // The broker's own admin queue is the first thing that the drive was shown.
      assertThat(attacker.raw(NvmOpcode.READ, 1, 0, 0, 2 << 20, 0))
          .isEqualTo(Status.DATA_TRANSFER_ERROR);
      assertThat(attacker.raw(NvmOpcode.READ, 1, 0, 0, own, 0)).isEqualTo(Status.SUCCESS);
      assertThat(victim.data.asSlice(0, 1 << 20).toArray(ValueLayout.JAVA_BYTE))
          .containsOnly(SECRET);
    }
  }

  @Test
  void whatIsNotUnderstoodIsRefused() {
    try (Client client = new Client()) {
      long own = client.iova(0);
      int fused =
          client.run(() -> {
            QueueEngine<Integer> engine = client.queue.engine();
            int cid = engine.begin(NvmOpcode.READ, 0, 0);
            SubmissionEntry entry = engine.entry(NvmOpcode.READ, cid, 1);
            entry.blocks(0, 1, 0).prp(own, 0).cdw(0, entry.cdw(0) | FUSED);
            engine.ring(cid);
            return Status.SUCCESS;
          });
      assertThat(fused).isEqualTo(Status.INVALID_FIELD);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 0, own + 2, 0))
          .isEqualTo(Status.INVALID_PRP_OFFSET);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 1, own, own + BLOCK + 4))
          .as("the second page does not begin where pages do")
          .isEqualTo(Status.INVALID_PRP_OFFSET);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 2, own, own + BLOCK + 4))
          .as("a list at 4")
          .isEqualTo(Status.INVALID_PRP_OFFSET);
      client.data.set(ValueLayout.JAVA_LONG, 8, own + BLOCK + 4);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 2, own, own + 8))
          .as("a page of a list that does not begin where pages do")
          .isEqualTo(Status.INVALID_PRP_OFFSET);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 0xffff, own, own))
          .as("more than one command moves")
          .isEqualTo(Status.INVALID_FIELD);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, PROTECTION, own, 0))
          .as("no namespace has protection information: a drive looks away, the broker does not")
          .isEqualTo(isDirect() ? Status.SUCCESS : Status.INVALID_FIELD);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 0, own, 0)).isEqualTo(Status.SUCCESS);
    }
  }

  @Test
  void queuesLieInOwnMemoryWherePagesBegin() {
    try (Client victim = new Client();
        Client client = new Client()) {
      BrokeredDevice device = client.drive.device();
      long own = client.iova(0);
      long theirs = victim.iova(0);
      int id = device.reserve(DEPTH);
      for (long[] rings :
          new long[][] {
            {theirs, own}, {own, theirs}, {own + 64, own + BLOCK}, {own, own + BLOCK + 16}
          }) {
        assertThatThrownBy(() -> device.create(id, rings[0], rings[1]))
            .as("%x and %x", rings[0] - own, rings[1] - own)
            .isInstanceOf(NvmeException.class);
      }
      device.create(id, own, own + BLOCK);
      assertThatThrownBy(() -> device.create(id, own, own + BLOCK))
          .isInstanceOf(NvmeException.class);
      device.delete(id);
      device.forget(id);
    }
  }

  @Test
  void memoryInWhichAQueueLiesStays() {
    try (Client client = new Client()) {
      long rings = client.queue.sqIova();
      BrokeredDevice device = client.drive.device();
      assertThatThrownBy(
              () -> {
                var _ = device.exchange(BrokerMessage.UNMAP, 8, m -> m.u64(0, rings), 0);
              })
          .isInstanceOf(NvmeException.class);
      assertThat(client.run(() -> client.queue.read(1, 0, 1, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
    }
  }

  @Test
  void memoryInWhichOneOfTheRingsLiesStays() {
    try (Client client = new Client();
        DmaMemory first = DmaMemory.allocate("first", BLOCK);
        DmaMemory second = DmaMemory.allocate("second", BLOCK)) {
      BrokeredDevice device = client.drive.device();
      long submissions = device.map(first.memfd(), 0, BLOCK).iova();
      long completions = device.map(second.memfd(), 0, BLOCK).iova();
      int id = device.reserve(DEPTH);
      device.create(id, submissions, completions);
      for (long iova : new long[] {submissions, completions}) {
        DmaRegion region = new DmaRegion(iova, BLOCK);
        assertThatThrownBy(() -> device.unmap(region)).isInstanceOf(NvmeException.class);
      }
      device.delete(id);
      device.forget(id);
      device.unmap(new DmaRegion(submissions, BLOCK));
      device.unmap(new DmaRegion(completions, BLOCK));
    }
  }

  @Test
  void whatWasGivenBackCountsNoMore() {
    serve(BrokerOptions.DEFAULTS.withLimits(2, DEPTH, 2 * MEMORY_BYTES));
    try (Client client = new Client();
        DmaMemory more = DmaMemory.allocate("more", MEMORY_BYTES / 2)) {
      for (int i = 0; i < 8; i++) {
        client.drive.map(more);
        client.drive.unmap(more);
      }
      BrokeredDevice device = client.drive.device();
      for (long[] part : new long[][] {{0, 100}, {100, 4096}, {-4096, 4096}, {0, 0}, {0, -4096}}) {
        assertThatThrownBy(() -> device.map(more.memfd(), part[0], part[1]))
            .as("%d bytes at %d", part[1], part[0])
            .isInstanceOf(NvmeException.class)
            .hasMessageContaining("are no pages");
      }
      List<DmaRegion> pieces = new ArrayList<>();
      assertThatThrownBy(
              () -> {
                while (pieces.size() <= Lending.MAX_PIECES) {
                  pieces.add(device.map(more.memfd(), 0, 4096));
                }
              })
          .isInstanceOf(NvmeException.class)
          .hasMessageContaining("pieces");
      pieces.forEach(device::unmap);
      assertThat(client.run(() -> client.queue.read(1, 0, 1, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
    }
  }

  @Test
  void whoDoesNotKeepToTheProtocolIsLeft() {
    assertThat(answersTo(BrokerMessage.MAP, 16)).as("before a HELLO").isFalse();
    assertThat(answersTo(BrokerMessage.HELLO, 4)).as("too short").isFalse();
    assertThat(answersTo(BrokerMessage.HELLO, 8)).as("of another version: refused").isTrue();
    try (Client client = new Client()) {
      BrokeredDevice device = client.drive.device();
      assertThatThrownBy(
              () -> {
                var _ = device.exchange(BrokerMessage.MAP, 16, m -> m.u64(8, 4096), 8);
              })
          .as("a MAP without a descriptor")
          .isInstanceOf(NvmeException.class);
      await(() -> broker.processes() == 0);
    }
  }

  /** Whether the broker answers a message of zeroes at all. */
  private boolean answersTo(int type, int payloadBytes) {
    try (BrokerConnection connection = new BrokerConnection(UnixSocket.connect(socket, PATIENCE))) {
      var _ = connection.message().begin(type, payloadBytes);
      connection.send();
      assertThat(connection.receive().isRefused()).isTrue();
      return true;
    } catch (BrokerConnection.EndedException e) {
      return false;
    }
  }

  @Test
  void aChainOfListsThatNeverEndsIsRefused() {
    try (Client client = new Client()) {
      int last = 4096 - 8;
      client.data.set(ValueLayout.JAVA_LONG, last, client.iova(last));

      int status = client.raw(NvmOpcode.READ, 1, 0, 100, client.iova(0), client.iova(last));

      assertThat(status).isEqualTo(Status.INVALID_PRP_OFFSET);
    }
  }

  @Test
  void blocksOutsideTheGrantAreDenied() {
    NamespaceRange range = new NamespaceRange(1, 100, 50, true);
    serve(BrokerOptions.DEFAULTS.withRanges(Map.of(ME, range), NamespaceRange.NOTHING));
    try (Client client = new Client()) {
      assertThat(client.drive.grant().range()).isEqualTo(range);
      assertThat(client.run(() -> client.queue.write(1, 100, 50, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
      for (long lba : new long[] {0, 99, 101, 150, Long.MAX_VALUE, -1}) {
        assertThat(client.run(() -> client.queue.read(1, lba, 50, client.data, 0, 0)))
            .as("read at %d", lba)
            .isEqualTo(Status.ACCESS_DENIED);
        assertThat(client.run(() -> client.queue.writeZeroes(1, lba, 50, false, 0)))
            .isEqualTo(Status.ACCESS_DENIED);
        assertThat(client.run(() -> client.queue.deallocate(1, lba, 50, 0)))
            .isEqualTo(Status.ACCESS_DENIED);
      }
      assertThat(client.run(() -> client.queue.read(2, 100, 1, client.data, 0, 0)))
          .isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.run(() -> client.queue.flush(1, 0))).isEqualTo(Status.SUCCESS);
      assertThat(client.run(() -> client.queue.flush(2, 0))).isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.raw(NvmOpcode.READ, 77, 100, 0, client.iova(0), 0))
          .isEqualTo(Status.INVALID_NAMESPACE);
    }
  }

  @Test
  void whoMayOnlyReadChangesNothing() {
    NamespaceRange range = new NamespaceRange(1, 0, 1000, false);
    serve(BrokerOptions.DEFAULTS.withRanges(Map.of(ME, range), NamespaceRange.NOTHING));
    try (Client client = new Client()) {
      assertThat(client.run(() -> client.queue.read(1, 0, 8, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
      assertThat(client.run(() -> client.queue.write(1, 0, 8, client.data, 0, 0)))
          .isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.run(() -> client.queue.writeUncorrectable(1, 0, 8, 0)))
          .isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.run(() -> client.queue.deallocate(1, 0, 8, 0)))
          .isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.run(() -> client.queue.flush(1, 0))).isEqualTo(Status.ACCESS_DENIED);
      assertThat(client.run(() -> client.queue.reservationRegister(1, 0, true, 0, 7, 0)))
          .isEqualTo(Status.INVALID_OPCODE);
    }
  }

  @Test
  void administrativeCommandsPassThePolicy() {
    try (Client client = new Client()) {
      assertThat(client.drive.identifyController().modelNumber())
          .isEqualTo(drive.identifyController().modelNumber());
      assertThat(admin(client, AdminOpcode.GET_LOG_PAGE, 127 << 16 | LogPage.SMART, 512))
          .isEqualTo(Status.SUCCESS);
      assertThat(admin(client, AdminOpcode.GET_FEATURES, Feature.NUMBER_OF_QUEUES, 0))
          .isEqualTo(Status.SUCCESS);
      assertThat(
              admin(client, AdminOpcode.GET_LOG_PAGE, 127 << 16 | LogPage.CHANGED_NAMESPACES, 512))
          .as("to read it may change it")
          .isEqualTo(AdminPolicy.OPERATION_DENIED);
      int cache = Feature.VOLATILE_WRITE_CACHE;
      assertThat(admin(client, AdminOpcode.SET_FEATURES, cache, 0))
          .isEqualTo(AdminPolicy.OPERATION_DENIED);
      assertThat(admin(client, AdminOpcode.FORMAT_NVM, 0, 0))
          .isEqualTo(AdminPolicy.OPERATION_DENIED);
    }
    serve(BrokerOptions.DEFAULTS.withAdministrators(Set.of(ME)));
    try (Client client = new Client()) {
      assertThat(client.drive.grant().administrator()).isTrue();
      assertThat(admin(client, AdminOpcode.SET_FEATURES, Feature.VOLATILE_WRITE_CACHE, 0))
          .isNotEqualTo(AdminPolicy.OPERATION_DENIED);
      for (int opcode : new int[] {0, 1, 4, 5, 8, 0xc, 0x7c}) { // they belong to the driver alone
        assertThat(admin(client, opcode, 0, 0)).isEqualTo(AdminPolicy.OPERATION_DENIED);
      }
      int queues = Feature.NUMBER_OF_QUEUES;
      assertThat(admin(client, AdminOpcode.SET_FEATURES, queues, 0))
          .isEqualTo(AdminPolicy.OPERATION_DENIED);
      // More than was offered: the drive would take what follows for a list of pages.
      assertThat(admin(client, AdminOpcode.GET_LOG_PAGE, 0x7fff << 16 | LogPage.SMART, 512))
          .isEqualTo(Status.INVALID_FIELD);
    }
  }

  private static int admin(Client client, int opcode, int cdw10, int dataBytes) {
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    SubmissionEntry command = new SubmissionEntry().wrap(entry, 0).command(opcode, 0);
    command.nsid(1).cdw(10, cdw10).prp(2 << 20, 2 << 20);
    return client.drive.admin(command, MemorySegment.ofArray(new byte[dataBytes])).status();
  }

  @Test
  void limitsAreRefusedAndWhatWasThereGoesOn() {
    serve(BrokerOptions.DEFAULTS.withLimits(2, DEPTH, 2 * MEMORY_BYTES));
    try (Client client = new Client();
        QueuePair<Integer> _ = client.drive.createQueuePair(1, (request, status) -> {});
        DmaMemory large = DmaMemory.allocate("large", 2 * MEMORY_BYTES)) {
      assertThat(client.drive.grant().queuePairs()).isEqualTo(2);
      assertThatThrownBy(() -> client.drive.createQueuePair(1, (request, status) -> {}))
          .isInstanceOf(NvmeException.class)
          .hasMessageContaining("all 2 queue pairs");
      assertThatThrownBy(() -> client.drive.map(large))
          .isInstanceOf(NvmeException.class)
          .hasMessageContaining("above the limit of " + 2 * MEMORY_BYTES);
      assertThat(client.run(() -> client.queue.read(1, 0, 1, client.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
    }
    try (Client client = new Client()) {
      assertThatThrownBy(() -> client.drive.createQueuePair(DEPTH + 1, (request, status) -> {}))
          .isInstanceOf(NvmeException.class)
          .hasMessageContaining("depth %d is not 1 to %d".formatted(DEPTH + 1, DEPTH));
    }
  }

  @Test
  void memoryThatCanShrinkIsRefused() throws Exception {
    Path file = directory.resolve("file");
    try (Client client = new Client();
        Fd unsealed = Fd.open(file, Fd.READ_WRITE | Fd.CREATE, 0600)) {
      unsealed.truncate(4096);
      MemorySegment mapped = Arena.ofAuto().allocate(4096, 4096);
      try (DmaMemory memory = DmaMemory.of(unsealed, 0, mapped)) {
        assertThatThrownBy(() -> client.drive.map(memory))
            .isInstanceOf(NvmeException.class)
            .hasMessageContaining("sealed");
      }
    }
  }

  @Test
  void memoryThatWasTakenBackIsNoLongerReached() {
    try (Client client = new Client();
        DmaMemory more = DmaMemory.allocate("more", MEMORY_BYTES)) {
      client.drive.map(more);
      long iova = client.drive.iovaOf(more.segment(), 0, 1);
      assertThat(client.raw(NvmOpcode.READ, 1, 0, 0, iova, 0)).isEqualTo(Status.SUCCESS);

      client.drive.unmap(more);

      assertThat(client.raw(NvmOpcode.READ, 1, 0, 0, iova, 0))
          .isEqualTo(Status.DATA_TRANSFER_ERROR);
    }
  }

  @Test
  void memoryIsGivenBackOnlyWhenWhatWasUnderWayIsThrough() {
    assumeFalse(isDirect(), "the drive itself sees to that");
    try (Client client = new Client();
        DmaMemory more = DmaMemory.allocate("more", MEMORY_BYTES)) {
      client.drive.map(more);
      FaultPlan faults = shelf.drives().getFirst().faults();
      faults.add(Fault.parse("delay opcode=read delay=300 count=1"));
      assertThat(client.queue.read(1, 0, 1, more.segment(), 0, 0)).isEqualTo(Status.SUCCESS);
      await(() -> faults.faults().isEmpty()); // the drive has the command

      client.drive.unmap(more);

      assertThat(client.queue.poll(DEPTH)).isOne();
      assertThat(client.statuses).containsExactly(Status.SUCCESS);
    }
  }

  @Test
  void whoRingsNonsenseLosesTheDriveAndNobodyElseDoes() {
    try (Client other = new Client()) {
      Client client = new Client();
      assertThat(client.queue.read(1, 0, 1, client.data, 0, 0)).isEqualTo(Status.SUCCESS);

      MemorySegment page = doorbells(client);
      for (int i = 0; i < 3; i++) {
        page.set(ValueLayout.JAVA_INT, DoorbellPage.SQ_TAIL_OFFSET, 12345);
        var _ = client.queue.flush(1, 0); // wakes the broker
        page.set(ValueLayout.JAVA_INT, DoorbellPage.SQ_TAIL_OFFSET, 12345);
      }

      await(() -> !client.drive.checkPresence());
      await(() -> broker.processes() == 1);
      await(() -> {
        var _ = client.queue.poll(DEPTH);
        return client.queue.inFlight() == 0;
      });
      assertThat(client.statuses).contains(Status.GONE);
      client.close();
      assertThat(other.run(() -> other.queue.read(1, 0, 1, other.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
      assertThat(queuePairs()).isOne();
    }
  }

  @Test
  void whoTakesMoreCompletionsThanThereAreLosesTheDriveToo() {
    assumeFalse(isDirect(), "a drive does not believe such a head, and needs not");
    try (Client client = new Client()) {
      doorbells(client).set(ValueLayout.JAVA_INT, DoorbellPage.CQ_HEAD_OFFSET, -7);
      var _ = client.queue.flush(1, 0);
      await(() -> !client.drive.checkPresence());
      await(() -> broker.processes() == 0);
    }
  }

  private static MemorySegment doorbells(Client client) {
    long offset = DoorbellPage.barOffset(client.queue.id());
    return client.drive.device().mapBar(offset, DoorbellPage.BYTES);
  }

  @Test
  void garbageOnTheSocketEndsOnlyThatConnection() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    try (Client other = new Client();
        Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(4096, 8);
      for (int i = 0; i < 200; i++) {
        try (UnixSocket garbage = UnixSocket.connect(socket, PATIENCE)) {
          byte[] noise = new byte[1 + random.nextInt(4096)];
          random.nextBytes(noise);
          MemorySegment.copy(noise, 0, bytes, ValueLayout.JAVA_BYTE, 0, noise.length);
          if (random.nextBoolean()) { // a header that makes sense
            bytes.set(ValueLayout.JAVA_INT, 0, random.nextInt(9));
            bytes.set(ValueLayout.JAVA_INT, 8, random.nextInt(64));
          }
          var _ = garbage.send(bytes, 0, noise.length);
        }
      }
      await(() -> broker.processes() == 1);
      assertThat(other.run(() -> other.queue.read(1, 0, 1, other.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
    }
  }

  @Test
  void whateverStandsInTheQueueIsAnsweredAndTouchesNobodyElse() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    try (Client victim = new Client();
        Client attacker = new Client()) {
      victim.data.fill(SECRET);
      long[] addresses = {
        victim.iova(0), attacker.iova(0), attacker.iova(8192), 0, 2 << 20, -1, attacker.iova(4088)
      };
      for (int i = 0; i < 3_000; i++) {
        int opcode = random.nextInt(4) == 0 ? random.nextInt(256) : random.nextInt(16);
        long prp1 = addresses[random.nextInt(addresses.length)] + 4L * random.nextInt(3);
        long prp2 = addresses[random.nextInt(addresses.length)] + 8L * random.nextInt(3);
        attacker.data.set(ValueLayout.JAVA_LONG, 8L * random.nextInt(2048), prp1 & -4096);
        boolean sgl = random.nextInt(10) == 0;
        int nsid = random.nextInt(4);
        int cdw12 = random.nextInt(300) | (random.nextInt(9) == 0 ? random.nextInt() : 0);
        long lba = random.nextInt(5) == 0 ? random.nextLong() : random.nextInt(8000);
        int status =
            attacker.run(() -> {
              QueueEngine<Integer> engine = attacker.queue.engine();
              int cid = engine.begin(opcode, 0, 0);
              SubmissionEntry entry = engine.entry(opcode, cid, nsid);
              entry.blocks(lba, 1, 0).cdw(12, cdw12).prp(prp1, prp2);
              if (sgl) {
                entry.sgl(prp1, BLOCK);
              }
              engine.ring(cid);
              return Status.SUCCESS;
            });
        assertThat(status).isNotNegative();
      }
      assertThat(victim.data.asSlice(0, 1 << 20).toArray(ValueLayout.JAVA_BYTE))
          .containsOnly(SECRET);
      assertThat(victim.run(() -> victim.queue.read(1, 0, 1, victim.data, 0, 0)))
          .isEqualTo(Status.SUCCESS);
    }
  }

  @Test
  void theBrokersEndIsTold() {
    try (Client client = new Client()) {
      broker.close();

      await(() -> !client.drive.checkPresence());
      client.statuses.clear();
      assertThat(client.queue.read(1, 0, 1, client.data, 0, 0)).isEqualTo(Status.SUCCESS);
      client.await(1);
      assertThat(client.statuses).containsExactly(Status.GONE);
      assertThat(client.drive.failure()).contains("the broker");
    }
    serve(BrokerOptions.DEFAULTS);
  }

  private static void await(BooleanSupplier condition) {
    long deadlineNs = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime() - deadlineNs).as("in time").isNegative();
      Thread.onSpinWait();
    }
  }
}
