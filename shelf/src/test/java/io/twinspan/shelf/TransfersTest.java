package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Reads and writes that go on while the drive does other things. */
class TransfersTest extends TwoPortDrive {
  @BeforeEach
  void hold() {
    medium1.held = held;
    a.enable().createQueues(1, 64);
  }

  @Test
  void commandsCompleteWhenTheirDataHasArrivedInWhateverOrder() {
    medium1.bytes.set(Host.LONG, 7 * 4096, 0x7777);
    fill(a, 4096, 4096, 1);
    int first = begin(a, NvmOpcode.READ, 7, 0);
    int second = begin(a, NvmOpcode.WRITE, 8, 4096);
    assertThat(a.reap(1)).isEmpty();
    assertThat(a.read(2, 0, 1, 8192)).as("others go on meanwhile").isZero();
    held.end(1);
    var _ = a.poll();
    assertThat(a.reap(1)).extracting(Host.Completion::cid).containsExactly(second);
    assertThat(medium1.bytes.asSlice(8 * 4096, 4096).mismatch(data(a, 4096, 4096))).isEqualTo(-1);
    held.end(0);
    var _ = a.poll();
    assertThat(a.reap(1)).extracting(Host.Completion::cid).containsExactly(first);
    assertThat(data(a, 0, 8).get(Host.LONG, 0)).isEqualTo(0x7777);
    assertThat(subsystem.health().reads).isEqualTo(2);
    assertThat(subsystem.health().bytesWritten).isEqualTo(4096);
    assertThat(subsystem.transfers().underWay()).isZero();
  }

  @Test
  void writeThatEndsDuringAFlushIsCoveredByTheNextOne() {
    var _ = begin(a, NvmOpcode.WRITE, 0, 0);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    var _ = a.poll();
    Runnable running = flusher.remove();
    held.end(0);
    var _ = a.poll();
    running.run();
    var _ = a.poll();
    assertThat(a.reap(1)).hasSize(2);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isEqualTo(2);
  }

  @Test
  void forcedWriteIsFlushedAfterItHasArrived() {
    SubmissionEntry write = Host.command(NvmOpcode.WRITE).nsid(1).prp(Host.ADDRESS, 0);
    var _ = a.submit(1, write.blocks(0, 1, SubmissionEntry.FORCE_UNIT_ACCESS));
    settle(a);
    assertThat(medium1.flushes).isZero();
    held.end(0);
    var _ = a.poll();
    assertThat(a.reap(1)).isEmpty();
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isOne();
  }

  @Test
  void preemptedHostsWritesHaveAnEndBeforeItsRightIsGone() {
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(b.setHostId(2, 0xb)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(b.register(1, 0xbbbb)).isZero();
    fill(a, 0, 4096, 2);
    int cid = begin(a, NvmOpcode.WRITE, 3, 0);
    assertThat(b.acquire(1, Reservation.PREEMPT, Reservation.EXCLUSIVE_ACCESS, 0xbbbb, 0xaaaa))
        .isZero();
    assertThat(held.underWay).isEmpty();
    assertThat(medium1.bytes.asSlice(3 * 4096, 4096).mismatch(data(a, 0, 4096))).isEqualTo(-1);
    assertThat(a.reap(1)).extracting(Host.Completion::cid).containsExactly(cid);
  }

  @Test
  void deletedQueuesCommandsComplete() {
    int cid = begin(a, NvmOpcode.READ, 0, 0);
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 1)).isZero();
    assertThat(held.underWay).isEmpty();
    List<Host.Completion> completions = a.reap(1);
    assertThat(completions).extracting(Host.Completion::cid).containsExactly(cid);
    assertThat(completions).extracting(Host.Completion::status).containsExactly(Status.SUCCESS);
  }

  @Test
  void resetWaitsForDataAndCompletesNothing() {
    var _ = begin(a, NvmOpcode.READ, 0, 0);
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    assertThat(held.underWay).isEmpty();
    assertThat(a.reap(1)).isEmpty();
    assertThat(a.enable().createQueues(1, 16).read(2, 0, 1, 0)).isZero();
  }

  @Test
  void memoryIsNotUnmappedUnderACommand() {
    var _ = begin(a, NvmOpcode.READ, 0, 0);
    assertThat(a.controller.unmap(Host.ADDRESS, Host.MEMORY_BYTES)).isZero();
    assertThat(held.awaits).isOne();
    assertThat(held.underWay).isEmpty();
  }

  @Test
  void domainsMemoryIsNotUnmappedUnderACommand() {
    try (var memory = Memfd.create("domain", 8192)) {
      QueueDomains domains = a.controller.domains();
      int id = domains.create(NamespaceRange.EVERYTHING);
      assertThat(domains.map(id, 0, 4096, memory, 0)).isZero();
      assertThat(domains.map(id, 4096, 4096, memory, 4096)).isZero();
      var _ = begin(a, NvmOpcode.READ, 0, 0);
      assertThat(domains.unmap(id, 0, 4096)).isZero();
      assertThat(held.awaits).isOne();
      var _ = begin(a, NvmOpcode.READ, 0, 0);
      assertThat(domains.destroy(id)).isZero();
      assertThat(held.awaits).isEqualTo(2);
    }
  }

  @Test
  void shutdownFlushesWhatWasOnItsWay() {
    var _ = begin(a, NvmOpcode.WRITE, 0, 0);
    a.controller.writeRegister(
        ControllerRegisters.CC,
        ControllerRegisters.CC_ENTRY_SIZES
            | ControllerRegisters.CC_ENABLE
            | ControllerRegisters.CC_SHUTDOWN_NORMAL);
    assertThat(held.underWay).isEmpty();
    assertThat(medium1.flushes).isZero();
    settle(a);
    assertThat(medium1.flushes).isOne();
    assertThat(a.controller.state()).isEqualTo(NvmeController.State.SHUT_DOWN);
  }

  @Test
  void commandsWaitInTheirQueueForRoomAndAdministrationGoesOn() {
    for (int i = 0; i < 2 * HeldTransfers.CAPACITY; i++) {
      var _ = a.put(1, transfer(NvmOpcode.READ, i, 0));
    }
    a.ring(1);
    var _ = a.poll();
    assertThat(held.underWay).hasSize(HeldTransfers.CAPACITY);
    assertThat(identifyStatus(a, 1, 0)).isZero();
    int completed = 0;
    while (!held.underWay.isEmpty()) {
      held.end(0);
      var _ = a.poll();
      completed += a.reap(1).size();
    }
    assertThat(completed).isEqualTo(2 * HeldTransfers.CAPACITY);
  }

  @Test
  void onlySoManyBytesAreOnTheirWay() {
    for (int i = 0; i < 8; i++) {
      var _ =
          a.put(
              1,
              Host.command(NvmOpcode.READ)
                  .nsid(1)
                  .prp(Host.ADDRESS + Host.DATA, Host.ADDRESS + 0x80000)
                  .blocks(0, 256, 0));
    }
    for (int page = 0; page < 255; page++) {
      a.memory.set(Host.LONG, 0x80000 + 8L * page, Host.ADDRESS + Host.DATA + 4096L * (page + 1));
    }
    a.ring(1);
    for (int i = 0; i < 8; i++) {
      var _ = a.poll();
    }
    assertThat(held.underWay).hasSize(4);
  }

  @Test
  void commandWhoseDataIsOnItsWayCantBeAborted() {
    int cid = begin(a, NvmOpcode.READ, 0, 0);
    SubmissionEntry abort = Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16));
    assertThat(a.admin(abort).result()).isOne();
    assertThat(a.reap(1)).isEmpty();
    held.end(0);
    var _ = a.poll();
    assertThat(a.reap(1)).extracting(Host.Completion::status).containsExactly(Status.SUCCESS);
  }

  @Test
  void mediumsErrorsComeWithTheirBlocks() {
    var _ = begin(a, NvmOpcode.READ, 5, 0);
    var _ = begin(a, NvmOpcode.WRITE, 6, 0);
    held.fail(0, -Errno.EIO);
    held.fail(0, -Errno.ENOSPC);
    var _ = a.poll();
    assertThat(a.reap(1))
        .extracting(Host.Completion::status)
        .containsExactly(Status.UNRECOVERED_READ, Status.CAPACITY_EXCEEDED);
    assertThat(subsystem.health().mediaErrors).isOne();
    assertThat(subsystem.health().reads + subsystem.health().writes).isZero();
    log(a, 1, 128);
    assertThat(data(a, 0, 64).get(Host.LONG, 16)).as("the block of the newest error").isEqualTo(6);
    assertThat(data(a, 64, 64).get(Host.LONG, 16)).isEqualTo(5);
  }

  @Test
  void blocksCanBeReadAgainWhenTheirWriteHasArrived() {
    assertThat(a.transfer(NvmOpcode.WRITE_UNCORRECTABLE, 1, 4, 1, 0)).isZero();
    var _ = begin(a, NvmOpcode.WRITE, 4, 0);
    assertThat(a.read(1, 4, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    held.end(0);
    var _ = a.poll();
    assertThat(a.reap(1)).hasSize(1);
    var _ = begin(a, NvmOpcode.READ, 4, 0);
    assertThat(held.underWay).hasSize(1);
  }

  @Test
  void faultsKeepTheCompletionBack() {
    subsystem.faults().add(Fault.parse("drop count=1"));
    int cid = begin(a, NvmOpcode.READ, 0, 0);
    held.end(0);
    settle(a);
    assertThat(a.reap(1)).isEmpty();
    SubmissionEntry abort = Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16));
    assertThat(a.admin(abort).result()).as("it is only kept back now").isZero();
    assertThat(a.reap(1))
        .extracting(Host.Completion::status)
        .containsExactly(Status.ABORT_REQUESTED);
  }

  @Test
  void powerFailsWhenWhatWasOnItsWayHasAnEnd() {
    var _ = begin(a, NvmOpcode.READ, 0, 0);
    subsystem.cutPower();
    assertThat(held.underWay).isEmpty();
    assertThat(a.reap(1)).isEmpty();
  }

  /** Submits a command of one block; the drive begins it. */
  private static int begin(Host host, int opcode, long lba, long dataOffset) {
    int cid = host.submit(1, transfer(opcode, lba, dataOffset));
    var _ = host.poll();
    return cid;
  }

  private static SubmissionEntry transfer(int opcode, long lba, long dataOffset) {
    return Host.command(opcode)
        .nsid(1)
        .prp(Host.ADDRESS + Host.DATA + dataOffset, 0)
        .blocks(lba, 1, 0);
  }
}
