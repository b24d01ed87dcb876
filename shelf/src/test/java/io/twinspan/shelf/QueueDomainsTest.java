package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DatasetRange;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What keeps those apart whom a host lends queue pairs, at the drive itself. */
class QueueDomainsTest extends TwoPortDrive {
  private static final NamespaceRange TEN = new NamespaceRange(1, 10, 10, true);
  private static final NamespaceRange LOOK = new NamespaceRange(1, 10, 10, false);
  private static final int ID = 5;
  private static final int OTHER_ID = 6;

  private Lodger lodger;

  @BeforeEach
  void begin() {
    a.enable().createQueues(1, 16);
    lodger = new Lodger(a, TEN, ID);
  }

  @AfterEach
  void end() {
    lodger.close();
  }

  @Test
  void itsMemoryAndItsBlocksAreItsOwn() {
    lodger.moveIn();
    lodger.data(8192).fill((byte) 7);
    assertThat(lodger.run(NvmOpcode.WRITE, 1, 18, 2)).isZero();
    assertThat(medium1.bytes.asSlice(18 * 4096, 8192).mismatch(lodger.data(8192))).isEqualTo(-1);
    lodger.data(8192).fill((byte) 0);
    assertThat(lodger.run(NvmOpcode.READ, 1, 18, 2)).isZero();
    assertThat(medium1.bytes.asSlice(18 * 4096, 8192).mismatch(lodger.data(8192))).isEqualTo(-1);
    assertThat(lodger.run(NvmOpcode.COMPARE, 1, 18, 2)).isZero();
    assertThat(lodger.run(Host.command(NvmOpcode.FLUSH).nsid(1))).isEqualTo(-1); // it waits
    settle(a);
    assertThat(medium1.flushes).isOne();
  }

  @Test
  void theHostsMemoryCantBeNamed() {
    lodger.moveIn();
    MemorySegment untouched = data(a, 0, 4096);
    untouched.fill((byte) 3);
    SubmissionEntry read = Host.command(NvmOpcode.READ).nsid(1).blocks(10, 1, 0);
    assertThat(lodger.run(read.prp(Host.ADDRESS + Host.DATA, 0)))
        .isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(untouched.get(Host.LONG, 0)).isEqualTo(0x0303_0303_0303_0303L);
    assertThat(a.run(1, Host.command(NvmOpcode.READ).nsid(1).prp(Lodger.DATA, 0)).status())
        .as("nor its memory by the host")
        .isEqualTo(Status.DATA_TRANSFER_ERROR);
  }

  @Test
  void queuesLieInItsMemoryWherePagesBegin() {
    assertThat(lodger.createCq(ID, Host.ADDRESS + 0x20000)).isEqualTo(Status.INVALID_FIELD);
    assertThat(lodger.createCq(ID, Lodger.CQ + 64)).isEqualTo(Status.INVALID_PRP_OFFSET);
    assertThat(lodger.createCq(ID, Lodger.CQ)).isZero();
    assertThat(lodger.createSq(ID, Host.ADDRESS + 0x20000, ID)).isEqualTo(Status.INVALID_FIELD);
    assertThat(lodger.createSq(ID, Lodger.SQ + 64, ID)).isEqualTo(Status.INVALID_PRP_OFFSET);
    assertThat(lodger.createSq(ID, Lodger.SQ, ID)).isZero();
  }

  @Test
  void nobodyCompletesInTheMemoryOfOthers() {
    assertThat(lodger.createCq(ID, Lodger.CQ)).isZero();
    assertThat(lodger.createSq(ID, Lodger.SQ, 1)).isEqualTo(Status.INVALID_QUEUE_ID);
    assertThat(lodger.createSq(2, Host.ADDRESS + 0x20000, ID)).isEqualTo(Status.INVALID_QUEUE_ID);
    try (Lodger other = new Lodger(a, TEN, OTHER_ID)) {
      assertThat(other.createSq(OTHER_ID, Lodger.SQ, ID)).isEqualTo(Status.INVALID_QUEUE_ID);
    }
  }

  @Test
  void blocksOutsideOfItsRangeAreDenied() {
    lodger.moveIn();
    int[] opcodes = {
      NvmOpcode.READ, NvmOpcode.COMPARE, NvmOpcode.VERIFY,
      NvmOpcode.WRITE, NvmOpcode.WRITE_ZEROES, NvmOpcode.WRITE_UNCORRECTABLE
    };
    for (int opcode : opcodes) {
      assertThat(lodger.run(opcode, 1, 9, 1)).isEqualTo(Status.ACCESS_DENIED);
      assertThat(lodger.run(opcode, 1, 19, 2)).isEqualTo(Status.ACCESS_DENIED);
      assertThat(lodger.run(opcode, 2, 10, 1)).isEqualTo(Status.ACCESS_DENIED);
      assertThat(lodger.run(opcode, 3, 10, 1)).isEqualTo(Status.INVALID_NAMESPACE);
      assertThat(lodger.run(opcode, -1, 10, 1)).isEqualTo(Status.INVALID_NAMESPACE);
    }
    assertThat(lodger.run(Host.command(NvmOpcode.FLUSH).nsid(2))).isEqualTo(Status.ACCESS_DENIED);
    assertThat(lodger.run(Host.command(NvmOpcode.FLUSH).nsid(-1)))
        .isEqualTo(Status.INVALID_NAMESPACE);
    assertThat(lodger.run(NvmOpcode.RESERVATION_REGISTER, 1, 0, 1))
        .isEqualTo(Status.INVALID_OPCODE);
    assertThat(deallocate(9, 2)).isEqualTo(Status.ACCESS_DENIED);
    assertThat(deallocate(19, 1)).isZero();
  }

  @Test
  void whoOnlyLooksOnChangesNothing() {
    try (Lodger other = new Lodger(a, LOOK, OTHER_ID)) {
      other.moveIn();
      assertThat(other.run(NvmOpcode.READ, 1, 10, 1)).isZero();
      assertThat(other.run(NvmOpcode.VERIFY, 1, 10, 1)).isZero();
      int[] opcodes = {NvmOpcode.WRITE, NvmOpcode.WRITE_ZEROES, NvmOpcode.WRITE_UNCORRECTABLE};
      for (int opcode : opcodes) {
        assertThat(other.run(opcode, 1, 10, 1)).isEqualTo(Status.ACCESS_DENIED);
      }
      assertThat(other.run(Host.command(NvmOpcode.FLUSH).nsid(1))).isEqualTo(Status.ACCESS_DENIED);
      assertThat(other.run(Host.command(NvmOpcode.DATASET_MANAGEMENT).nsid(1)))
          .isEqualTo(Status.ACCESS_DENIED);
    }
  }

  @Test
  void memoryThatCanBeCutIsRefused(@TempDir Path folder) {
    try (Fd file = Fd.open(folder.resolve("file"), Fd.READ_WRITE | Fd.CREATE, 0600)) {
      file.truncate(8192);
      assertThat(lodger.domains().map(lodger.domain, 0, 4096, file, 0)).isEqualTo(-Errno.EPERM);
    }
  }

  @Test
  void memoryInWhichAQueueLiesStays() {
    lodger.moveIn();
    assertThat(lodger.domains().unmap(lodger.domain, Lodger.BASE, Lodger.BYTES))
        .isEqualTo(-Errno.EBUSY);
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, ID)).isZero();
    assertThat(lodger.domains().unmap(lodger.domain, Lodger.BASE, Lodger.BYTES))
        .isEqualTo(-Errno.EBUSY);
    assertThat(delete(a, AdminOpcode.DELETE_IO_CQ, ID)).isZero();
    assertThat(lodger.domains().unmap(lodger.domain, Lodger.BASE, Lodger.BYTES)).isZero();
  }

  @Test
  void onlyFreeIdentifiersAreLent() {
    QueueDomains domains = lodger.domains();
    assertThat(domains.bind(lodger.domain, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(domains.bind(lodger.domain, NvmeController.QUEUE_PAIRS)).isEqualTo(-Errno.EINVAL);
    assertThat(domains.bind(lodger.domain, 1)).as("the host's own").isEqualTo(-Errno.EBUSY);
    assertThat(domains.bind(lodger.domain, ID)).as("lent already").isEqualTo(-Errno.EBUSY);
    assertThat(domains.bind(77, 7)).isEqualTo(-Errno.ENOENT);
    lodger.moveIn();
    assertThat(domains.bind(QueueDomain.OWN, ID)).as("queues are there").isEqualTo(-Errno.EBUSY);
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    assertThat(domains.bind(lodger.domain, 7)).as("not enabled").isEqualTo(-Errno.EINVAL);
  }

  @Test
  void onlySoManyDomainsAreMade() {
    for (int i = 1; i < QueueDomains.MAX; i++) {
      assertThat(lodger.domains().create(TEN)).isPositive();
    }
    assertThat(lodger.domains().create(TEN)).isEqualTo(-Errno.ENOSPC);
  }

  @Test
  void theHostsPageDoesNotRingALentQueue() {
    lodger.moveIn();
    Host.command(NvmOpcode.READ)
        .nsid(1)
        .blocks(10, 1, 0)
        .prp(Lodger.DATA, 0)
        .copyTo(lodger.memory, 0);
    a.page(ID).sqTail(1);
    var _ = a.poll();
    assertThat(commandsOf(ID)).isZero();
    lodger.ring(1);
    var _ = a.poll();
    assertThat(commandsOf(ID)).isOne();
  }

  @Test
  void whoRingsATailThatIsNotThereLosesAllAndNobodyElseDoes() {
    lodger.moveIn();
    try (Lodger other = new Lodger(a, TEN, OTHER_ID)) {
      other.moveIn();
      lodger.ring(Lodger.ENTRIES);
      var _ = a.poll();
      assertThat(a.controller.hasQueue(ID)).isFalse();
      assertThat(lodger.domains().lent(ID)).isNull();
      assertThat(lodger.domains().unmap(lodger.domain, Lodger.BASE, Lodger.BYTES))
          .as("its memory is unmapped already")
          .isEqualTo(-Errno.ENOENT);
      assertThat(lodger.domains().destroy(lodger.domain)).isZero();
      assertThat(other.run(NvmOpcode.READ, 1, 10, 1)).isZero();
    }
    assertThat(a.read(1, 0, 1, 0)).isZero();
  }

  @Test
  void whoLetsGoOfItsBellLosesAll() {
    lodger.moveIn();
    var doorbells = lodger.domains().lent(ID);
    doorbells.sent();
    doorbells.arm();
    doorbells.disarm(); // as after a sleep
    var _ = a.poll();
    assertThat(a.controller.hasQueue(ID)).isFalse();
    assertThat(lodger.domains().lent(ID)).isNull();
  }

  @Test
  void aResetTakesQueuesBackAndTheEndOfTheClientAll() {
    lodger.moveIn();
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    assertThat(lodger.domains().lent(ID)).isNull();
    a.enable().createQueues(1, 16);
    assertThat(lodger.domains().bind(lodger.domain, ID)).isZero();
    lodger.memory.fill((byte) 0);
    lodger.moveIn();
    a.controller.disconnect();
    assertThat(lodger.domains().size()).isZero();
    assertThat(lodger.domains().lent(ID)).isNull();
  }

  @Test
  void theHostMayUnmapMemoryOfTheSameAddresses() {
    lodger.moveIn();
    try (var memfd = Memfd.create("more", Lodger.BYTES)) {
      assertThat(a.controller.dma().add(Lodger.BASE, Lodger.BYTES, memfd, 0, true, true)).isZero();
      assertThat(a.controller.unmap(Lodger.BASE, Lodger.BYTES)).isZero();
    }
    assertThat(a.controller.state()).isEqualTo(NvmeController.State.READY);
    assertThat(lodger.run(NvmOpcode.READ, 1, 10, 1)).isZero();
  }

  @Test
  void aTornWriteIsTornOutOfItsMemory() {
    lodger.moveIn();
    lodger.data(4096).fill((byte) 9);
    subsystem.faults().add(Fault.parse("power-cut opcode=write"));
    assertThat(a.read(2, 0, 1, 0)).as("the host's command comes before").isZero();
    assertThat(lodger.run(NvmOpcode.WRITE, 1, 10, 1)).isEqualTo(-1);
    assertThat(medium1.bytes.get(Host.LONG, 10 * 4096)).isEqualTo(0x0909_0909_0909_0909L);
    assertThat(medium1.bytes.get(Host.LONG, 10 * 4096 + 2048)).isZero();
  }

  private int deallocate(long lba, int blocks) {
    DatasetRange.set(lodger.data(4096), 0, lba, blocks);
    return lodger.run(
        Host.command(NvmOpcode.DATASET_MANAGEMENT)
            .nsid(1)
            .prp(Lodger.DATA, 0)
            .cdw(11, DatasetRange.DEALLOCATE));
  }

  private long commandsOf(int id) {
    SubmissionQueue queue = a.controller.submissionQueue(id);
    return queue == null ? -1 : queue.commands();
  }
}
