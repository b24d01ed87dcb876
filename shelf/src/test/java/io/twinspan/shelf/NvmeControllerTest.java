package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DatasetRange;
import io.twinspan.nvme.ErrorLogEntry;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.IdentifyCns;
import io.twinspan.nvme.IdentifyController;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.LogPage;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.ReservationReport;
import io.twinspan.nvme.SmartLog;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class NvmeControllerTest {
  private static final long NAMESPACE_BYTES = 4 << 20;
  private static final int BLOCKS = (int) (NAMESPACE_BYTES / 4096);

  private final MemoryMedium medium1 = new MemoryMedium(NAMESPACE_BYTES);
  private final MemoryMedium medium2 = new MemoryMedium(NAMESPACE_BYTES);
  private final Queue<Runnable> flusher = new ArrayDeque<>();
  private final Subsystem subsystem =
      new Subsystem("model", "serial", List.of(medium1, medium2), flusher::add, () -> {});
  private final Host a = new Host(subsystem, subsystem.addController());
  private final Host b = new Host(subsystem, subsystem.addController());

  @AfterEach
  void close() {
    a.close();
    b.close();
  }

  @Test
  void registersTellWhatTheControllerIs() {
    long cap =
        (a.controller.readRegister(0) & 0xffff_ffffL) | ((long) a.controller.readRegister(4) << 32);
    assertThat(ControllerRegisters.maxQueueEntries(cap))
        .isEqualTo(NvmeController.MAX_QUEUE_ENTRIES);
    assertThat(ControllerRegisters.doorbellStride(cap)).isEqualTo(9);
    assertThat(ControllerRegisters.hasNvmCommandSet(cap)).isTrue();
    assertThat(a.controller.readRegister(ControllerRegisters.VS))
        .isEqualTo(ControllerRegisters.VERSION_1_4);
    assertThat(a.csts()).isZero();
  }

  @Test
  void enablingMakesReadyAndDisablingForgetsQueues() {
    a.enable().createQueues(1, 16);
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_READY);
    a.controller.writeRegister(ControllerRegisters.CC, ControllerRegisters.CC_ENTRY_SIZES);
    assertThat(a.csts()).isZero();
    assertThat(a.controller.submissionQueue(1)).isNull();
    a.enable();
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_READY);
  }

  @Test
  void badConfigurationIsFatalUntilReset() {
    a.controller.writeRegister(ControllerRegisters.AQA, ControllerRegisters.aqa(16, 16));
    a.controller.writeRegister(ControllerRegisters.ASQ, 0x1000);
    a.controller.writeRegister(ControllerRegisters.CC, ControllerRegisters.CC_ENABLE);
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_FATAL);
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    assertThat(a.csts()).isZero();
    a.enable();
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_READY);
  }

  @Test
  void shutdownIsCompleteWhenAllMediaAreFlushed() {
    a.enable();
    a.controller.writeRegister(
        ControllerRegisters.CC,
        ControllerRegisters.CC_ENTRY_SIZES
            | ControllerRegisters.CC_ENABLE
            | ControllerRegisters.CC_SHUTDOWN_NORMAL);
    assertThat(a.csts() & ControllerRegisters.CSTS_SHUTDOWN_MASK)
        .isEqualTo(ControllerRegisters.CSTS_SHUTDOWN_OCCURRING);
    var _ = a.poll();
    runFlushes();
    var _ = a.poll();
    assertThat(a.csts() & ControllerRegisters.CSTS_SHUTDOWN_MASK)
        .isEqualTo(ControllerRegisters.CSTS_SHUTDOWN_COMPLETE);
    assertThat(medium1.flushes).isOne();
    assertThat(medium2.flushes).isOne();
  }

  @Test
  void identifyTellsControllersApartAndNamespacesTheSame() {
    a.enable();
    b.enable();
    IdentifyController first =
        new IdentifyController().wrap(identify(a, IdentifyCns.CONTROLLER, 0), 0);
    assertThat(first.controllerId()).isEqualTo(1);
    assertThat(first.serialNumber()).isEqualTo("serial");
    assertThat(first.namespaceCount()).isEqualTo(2);
    assertThat(
            new IdentifyController().wrap(identify(b, IdentifyCns.CONTROLLER, 0), 0).controllerId())
        .isEqualTo(2);
    IdentifyNamespace ns1 = new IdentifyNamespace().wrap(identify(a, IdentifyCns.NAMESPACE, 1), 0);
    assertThat(ns1.sizeBlocks()).isEqualTo(BLOCKS);
    assertThat(ns1.blockBytes()).isEqualTo(4096);
    assertThat(ns1.multiPath()).isEqualTo(IdentifyNamespace.NMIC_SHARED);
    long eui64 = ns1.eui64();
    IdentifyNamespace ns2 = new IdentifyNamespace().wrap(identify(a, IdentifyCns.NAMESPACE, 2), 0);
    assertThat(ns2.eui64()).isNotEqualTo(eui64).isNotZero();
    assertThat(
            identify(b, IdentifyCns.NAMESPACE, 1).mismatch(identify(a, IdentifyCns.NAMESPACE, 1)))
        .isEqualTo(-1);
    assertThat(identifyStatus(a, IdentifyCns.NAMESPACE, 3)).isEqualTo(Status.INVALID_NAMESPACE);
    assertThat(identifyStatus(a, 0x55, 1)).isEqualTo(Status.INVALID_FIELD);
  }

  @Test
  void queuesAreCheckedWhenCreatedAndDeleted() {
    a.enable();
    assertThat(a.admin(a.createSq(1, 16, 1)).status()).isEqualTo(Status.INVALID_CQ);
    assertThat(a.admin(a.createSq(1, 16, 0)).status()).isEqualTo(Status.INVALID_QUEUE_ID);
    assertThat(a.admin(a.createCq(1, 1)).status()).isEqualTo(Status.INVALID_QUEUE_SIZE);
    assertThat(a.admin(a.createCq(1, 2048)).status()).isEqualTo(Status.INVALID_QUEUE_SIZE);
    assertThat(a.admin(a.createCq(1, 16).cdw(11, 1 | (16 << 16))).status())
        .isEqualTo(Status.INVALID_INTERRUPT_VECTOR);
    assertThat(a.admin(a.createCq(1, 16).cdw(11, 0)).status()).isEqualTo(Status.INVALID_FIELD);
    assertThat(a.admin(a.createCq(1, 16).prp(Host.ADDRESS + 8, 0)).status())
        .isEqualTo(Status.INVALID_PRP_OFFSET);
    assertThat(a.admin(a.createCq(1, 16).prp(0x1000, 0)).status()).isEqualTo(Status.INVALID_FIELD);
    assertThat(a.admin(a.createCq(1, 16)).status()).isEqualTo(Status.SUCCESS);
    assertThat(a.admin(a.createCq(1, 16)).status()).isEqualTo(Status.INVALID_QUEUE_ID);
    assertThat(a.admin(a.createSq(1, 16, 1)).status()).isEqualTo(Status.SUCCESS);
    assertThat(delete(a, AdminOpcode.DELETE_IO_CQ, 1)).isEqualTo(Status.INVALID_QUEUE_DELETION);
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 2)).isEqualTo(Status.INVALID_QUEUE_ID);
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 0)).isEqualTo(Status.INVALID_QUEUE_ID);
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 1)).isEqualTo(Status.SUCCESS);
    assertThat(delete(a, AdminOpcode.DELETE_IO_CQ, 1)).isEqualTo(Status.SUCCESS);
  }

  @Test
  void numberOfQueuesIsToldUntilQueuesExist() {
    a.enable();
    SubmissionEntry ask =
        Host.command(AdminOpcode.SET_FEATURES).cdw(10, Feature.NUMBER_OF_QUEUES).cdw(11, 0x3f003f);
    assertThat(a.admin(ask).result()).isEqualTo(0x000e_000e);
    a.createQueues(1, 16);
    assertThat(a.admin(ask).status()).isEqualTo(Status.COMMAND_SEQUENCE_ERROR);
  }

  @Test
  void writtenBlocksAreReadThroughTheOtherPort() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    fill(a, 0, 8192, 7);
    assertThat(a.write(2, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(b.read(2, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(data(b, 0, 8192).mismatch(data(a, 0, 8192))).isEqualTo(-1);
    assertThat(b.read(1, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(data(b, 0, 8192).mismatch(data(a, 0, 8192))).isZero();
  }

  @Test
  void rangesOutsideOfTheNamespaceAreRefused() {
    a.enable().createQueues(1, 16);
    assertThat(a.read(1, BLOCKS - 1, 2, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, -1, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, Long.MIN_VALUE, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.write(1, BLOCKS, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, 0, 257, 0)).isEqualTo(Status.INVALID_FIELD);
    assertThat(a.read(3, 0, 1, 0)).isEqualTo(Status.INVALID_NAMESPACE);
    assertThat(a.run(1, Host.command(0x7f).nsid(1)).status()).isEqualTo(Status.INVALID_OPCODE);
    assertThat(a.run(1, Host.command(NvmOpcode.READ | 0x4000_0000).nsid(1)).status())
        .isNotEqualTo(Status.SUCCESS);
  }

  @Test
  void hostErrorsBecomeTheirStatus() {
    a.enable().createQueues(1, 16);
    medium1.nextError = -Errno.ENOSPC;
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.CAPACITY_EXCEEDED);
    medium1.nextError = -Errno.EIO;
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.WRITE_FAULT);
    medium1.nextError = -Errno.EIO;
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.SUCCESS);
    log(a, LogPage.SMART, 512);
    assertThat(new SmartLog().wrap(a.memory, Host.DATA).mediaErrors()).isEqualTo(2);
    log(a, LogPage.ERROR, 64);
    ErrorLogEntry newest = new ErrorLogEntry().wrap(a.memory, Host.DATA);
    assertThat(newest.errorCount()).isEqualTo(3);
    assertThat(newest.status()).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(newest.sqId()).isOne();
  }

  @Test
  void queuesWrapAroundManyTimes() {
    a.enable().createQueues(1, 5);
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int outstanding = 0;
    int completed = 0;
    for (int i = 0; i < 1000; i++) {
      while (outstanding < 4 && random.nextInt(4) != 0) {
        var _ =
            a.submit(
                1, Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS, 0).blocks(i % 9, 1, 0));
        outstanding++;
      }
      var _ = a.poll();
      int reaped = a.reap(1).size();
      completed += reaped;
      outstanding -= reaped;
      assertThat(outstanding).as("seed %d", seed).isZero();
    }
    assertThat(completed).as("seed %d", seed).isGreaterThan(1000);
  }

  @Test
  void fullCompletionQueueStallsUntilTheClientTakesCompletions() {
    a.enable();
    assertThat(a.admin(a.createCq(1, 4)).status()).isZero();
    assertThat(a.admin(a.createSq(1, 16, 1)).status()).isZero();
    SubmissionEntry read =
        Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS, 0).blocks(0, 1, 0);
    Host hostOfSq = a;
    for (int i = 0; i < 3; i++) {
      var _ = hostOfSq.submit(1, read);
    }
    assertThat(a.poll()).isEqualTo(3);
    assertThat(a.controller.stalled()).isFalse();
    a.memory.set(Host.LONG, 0, 0);
    // The pair's entries are those of the completion queue: put three more through the raw ring.
    for (int i = 0; i < 3; i++) {
      read.copyTo(a.memory, 0x10000L + (3 + i) * 64L);
    }
    a.page(1).sqTail(6);
    assertThat(a.poll()).isZero();
    assertThat(a.controller.stalled()).isTrue();
    assertThat(a.reap(1)).hasSize(3);
    assertThat(a.poll()).isEqualTo(3);
  }

  @Test
  void flushCompletesOnlyAfterTheMediumWasFlushed() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.SUCCESS); // others go on meanwhile
    var _ = a.poll();
    assertThat(medium1.flushes).isZero();
    assertThat(flusher).hasSize(1);
    runFlushes();
    var _ = a.poll();
    assertThat(a.reap(1)).extracting(Host.Completion::cid).containsExactly(cid);
    assertThat(medium1.flushes).isOne();
    assertThat(medium2.flushes).isZero();
  }

  @Test
  void flushOfAllNamespacesWaitsForAll() {
    a.enable().createQueues(1, 16);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(SubmissionEntry.NSID_ALL));
    var _ = a.poll();
    var _ = a.poll();
    flusher.remove().run();
    var _ = a.poll();
    assertThat(a.reap(1)).isEmpty();
    runFlushes();
    var _ = a.poll();
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes + medium2.flushes).isEqualTo(2);
  }

  @Test
  void flushThatFailsSaysSo() {
    a.enable().createQueues(1, 16);
    medium1.flushResult = -Errno.EIO;
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    settle(a);
    assertThat(a.reap(1)).extracting(Host.Completion::status).containsExactly(Status.WRITE_FAULT);
  }

  @Test
  void forcedUnitAccessAndDisabledCacheFlush() {
    a.enable().createQueues(1, 16);
    SubmissionEntry write = Host.command(NvmOpcode.WRITE).nsid(1).prp(Host.ADDRESS, 0);
    var _ = a.submit(1, write.blocks(0, 1, SubmissionEntry.FORCE_UNIT_ACCESS));
    var _ = a.poll();
    assertThat(a.reap(1)).isEmpty();
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isOne();
    var _ =
        a.admin(
            Host.command(AdminOpcode.SET_FEATURES)
                .cdw(10, Feature.VOLATILE_WRITE_CACHE)
                .cdw(11, 0));
    var _ = a.submit(1, write.blocks(0, 1, 0));
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isEqualTo(2);
  }

  @Test
  void deletingAQueueAbortsWhatWaitsInIt() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    var _ = a.poll();
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 1)).isEqualTo(Status.SUCCESS);
    List<Host.Completion> completions = a.reap(1);
    assertThat(completions).hasSize(1);
    assertThat(completions.getFirst().cid()).isEqualTo(cid);
    assertThat(completions.getFirst().status()).isEqualTo(Status.ABORTED_SQ_DELETION);
    settle(a);
    assertThat(a.reap(1)).isEmpty();
  }

  @Test
  void clientThatGoesLosesItsFlushAndTheOtherPortDoesNotNotice() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    int cid = b.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    var _ = b.poll();
    a.controller.disconnect();
    settle(b);
    assertThat(b.reap(1)).extracting(Host.Completion::cid).containsExactly(cid);
    assertThat(a.controller.state()).isEqualTo(NvmeController.State.DISABLED);
    assertThat(a.controller.dma().size()).isZero();
    assertThat(b.read(1, 0, 1, 0)).isEqualTo(Status.SUCCESS);
  }

  @Test
  void abortEndsAWaitingFlush() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    Host.Completion aborted = a.admin(Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16)));
    assertThat(aborted.result()).isZero();
    assertThat(a.reap(1))
        .extracting(Host.Completion::status)
        .containsExactly(Status.ABORT_REQUESTED);
    assertThat(a.admin(Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16))).result()).isOne();
  }

  @Test
  void writeZeroesZeroes() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 9);
    assertThat(a.write(1, 0, 2, 0)).isZero();
    assertThat(a.run(1, Host.command(NvmOpcode.WRITE_ZEROES).nsid(1).blocks(1, 1, 0)).status())
        .isZero();
    assertThat(a.read(1, 0, 2, 0)).isZero();
    assertThat(data(a, 4096, 4096).mismatch(medium2.bytes.asSlice(0, 4096))).isEqualTo(-1);
    assertThat(data(a, 0, 4096).get(Host.LONG, 0)).isNotZero();
  }

  @Test
  void comparesBlocksWithMemory() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 1);
    assertThat(a.write(1, 3, 2, 0)).isZero();
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isZero();
    a.memory.set(Host.LONG, Host.DATA + 8184, 0);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isEqualTo(Status.COMPARE_FAILURE);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, BLOCKS - 1, 2, 0))
        .isEqualTo(Status.LBA_OUT_OF_RANGE);
    medium1.nextError = -Errno.EIO;
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isEqualTo(Status.UNRECOVERED_READ);
  }

  @Test
  void verifyReadsEveryBlock() {
    a.enable().createQueues(1, 16);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 0, BLOCKS, 0)).isZero();
    medium1.nextError = -Errno.EIO;
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 0, BLOCKS, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 1, BLOCKS, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
  }

  @Test
  void uncorrectableBlocksFailUntilTheyAreWritten() {
    a.enable().createQueues(1, 16);
    assertThat(a.transfer(NvmOpcode.WRITE_UNCORRECTABLE, 1, 10, 3, 0)).isZero();
    assertThat(a.read(1, 9, 1, 0)).isZero();
    assertThat(a.read(1, 9, 2, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 12, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 12, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.read(2, 10, 1, 0)).isZero();
    assertThat(a.write(1, 11, 1, 0)).isZero();
    assertThat(a.read(1, 11, 1, 0)).isZero();
    assertThat(a.read(1, 10, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.WRITE_ZEROES, 1, 12, 1, 0)).isZero();
    assertThat(a.read(1, 12, 1, 0)).isZero();
    assertThat(deallocate(a, 1, new long[][] {{10, 1}})).isZero();
    assertThat(a.read(1, 10, 1, 0)).isZero();
  }

  @Test
  void deallocatedBlocksReadAsZeroesAndABadRangeChangesNothing() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 1);
    assertThat(a.write(1, 3, 2, 0)).isZero();
    assertThat(deallocate(a, 1, new long[][] {{3, 1}, {BLOCKS - 1, 2}}))
        .isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(deallocate(a, 1, new long[][] {{3, 1}, {-1, 1}})).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, 3, 1, 0)).isZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA)).isNotZero();
    assertThat(deallocate(a, 1, new long[][] {{0, 0}, {4, 1}, {100, 20}})).isZero();
    assertThat(a.read(1, 3, 2, 0)).isZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA)).isNotZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA + 4096)).isZero();
  }

  @Test
  void blockCommandsKeepToReservations() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(a.acquire(1, Reservation.ACQUIRE, Reservation.WRITE_EXCLUSIVE, 0xaaaa, 0)).isZero();
    assertThat(b.transfer(NvmOpcode.VERIFY, 1, 0, 1, 0)).isZero();
    assertThat(b.transfer(NvmOpcode.WRITE_UNCORRECTABLE, 1, 0, 1, 0))
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(deallocate(b, 1, new long[][] {{0, 1}})).isEqualTo(Status.RESERVATION_CONFLICT);
  }

  @Test
  void commandsFailAsTheFaultPlanSays() {
    a.enable().createQueues(1, 16);
    subsystem.faults().add(Fault.parse("status opcode=write nsid=1 blocks=3 count=1 status=0x280"));
    fill(a, 0, 4096, 1);
    assertThat(a.write(2, 3, 1, 0)).isZero();
    assertThat(a.write(1, 4, 1, 0)).isZero();
    assertThat(a.write(1, 2, 2, 0)).isEqualTo(Status.WRITE_FAULT);
    assertThat(medium1.bytes.get(Host.LONG, 3 * 4096)).isZero();
    assertThat(a.write(1, 2, 2, 0)).isZero();
    assertThat(subsystem.health().mediaErrors).isOne();
  }

  @Test
  void aDroppedCompletionComesWithItsAbort() {
    a.enable().createQueues(1, 16);
    subsystem.faults().add(Fault.parse("drop count=1"));
    int cid = a.submit(1, Host.command(NvmOpcode.VERIFY).nsid(1));
    settle(a);
    assertThat(a.reap(1)).isEmpty();
    SubmissionEntry abort = Host.command(AdminOpcode.ABORT).cdw(10, 1 | cid << 16);
    assertThat(a.admin(abort).result()).isZero();
    assertThat(a.reap(1))
        .containsExactly(new Host.Completion(1, cid, Status.ABORT_REQUESTED, 0, 1));
    settle(a);
    assertThat(subsystem.late().nextDeadlineNs()).isEqualTo(LateCompletions.NEVER);
    assertThat(a.read(1, 0, 1, 0)).isZero();
  }

  @Test
  void aDelayedCompletionComesLateAndNotAtAllAfterAReset() {
    a.enable().createQueues(1, 16);
    subsystem.faults().add(Fault.parse("delay delay=1 count=1"));
    int cid = a.submit(1, Host.command(NvmOpcode.VERIFY).nsid(1));
    List<Host.Completion> completions = List.of();
    while (completions.isEmpty()) { // the suite's own limit ends a drive that never answers
      var _ = a.poll();
      completions = a.reap(1);
    }
    assertThat(completions).containsExactly(new Host.Completion(1, cid, 0, 0, 1));
    subsystem.faults().add(Fault.parse("delay delay=3600000"));
    var _ = a.submit(1, Host.command(NvmOpcode.VERIFY).nsid(1));
    var _ = a.poll();
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    var _ = a.poll();
    assertThat(subsystem.late().nextDeadlineNs()).isEqualTo(LateCompletions.NEVER);
  }

  @Test
  void aRottenBitStays() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 4096, 1);
    assertThat(a.write(1, 3, 1, 0)).isZero();
    subsystem.faults().add(Fault.parse("rot opcode=read count=1"));
    for (int i = 0; i < 2; i++) {
      assertThat(a.read(1, 3, 1, 8192)).isZero();
      assertThat(data(a, 0, 4096).mismatch(data(a, 8192, 4096))).isZero();
    }
  }

  @Test
  void aPowerCutTearsTheWriteAndForgetsReservationsThatDoNotPersist() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(a.acquire(1, Reservation.ACQUIRE, Reservation.WRITE_EXCLUSIVE, 0xaaaa, 0)).isZero();
    int persist = Reservation.cdw10(Reservation.REGISTER, 0) | 3 << 30;
    assertThat(a.reservation(NvmOpcode.RESERVATION_REGISTER, 2, persist, 0, 0xaaaa)).isZero();
    fill(a, 0, 8192, 1);
    subsystem.faults().add(Fault.parse("power-cut opcode=write"));
    var _ =
        a.submit(
            1,
            Host.command(NvmOpcode.WRITE)
                .nsid(1)
                .prp(Host.ADDRESS + Host.DATA, Host.ADDRESS + Host.DATA + 4096)
                .blocks(3, 2, 0));
    var _ = a.poll();
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_FATAL);
    assertThat(a.controller.takePowerLoss()).isTrue();
    assertThat(b.controller.takePowerLoss()).isTrue();
    MemorySegment written = medium1.bytes.asSlice(3 * 4096, 8192);
    assertThat(written.mismatch(data(a, 0, 8192))).isEqualTo(4096);
    assertThat(subsystem.namespaces().get(0).reservations().registrants()).isEmpty();
    assertThat(subsystem.namespaces().get(0).reservations().type()).isEqualTo(ReservationType.NONE);
    assertThat(subsystem.namespaces().get(1).reservations().registrants()).hasSize(1);
  }

  @Test
  void preemptedPortReadsAndWritesNoMore() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(b.setHostId(2, 0xb)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(b.register(1, 0xbbbb)).isZero();
    assertThat(a.acquire(1, Reservation.ACQUIRE, Reservation.EXCLUSIVE_ACCESS, 0xaaaa, 0)).isZero();
    assertThat(b.write(1, 0, 1, 0)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(b.write(2, 0, 1, 0)).isZero();
    int waiting = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    assertThat(
            b.acquire(
                1, Reservation.PREEMPT_AND_ABORT, Reservation.EXCLUSIVE_ACCESS, 0xbbbb, 0xaaaa))
        .isZero();
    assertThat(a.reap(1))
        .containsExactly(new Host.Completion(1, waiting, Status.ABORT_REQUESTED, 0, 6 - 3));
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(a.run(1, Host.command(NvmOpcode.FLUSH).nsid(1)).status())
        .isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(b.write(1, 0, 1, 0)).isZero();
    assertThat(a.write(2, 0, 1, 0)).isZero();
  }

  @Test
  void reservationSurvivesAResetOfTheHoldersController() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(a.acquire(1, Reservation.ACQUIRE, Reservation.EXCLUSIVE_ACCESS, 0xaaaa, 0)).isZero();
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    a.enable().createQueues(1, 16);
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(b.read(1, 0, 1, 0)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(a.read(1, 0, 1, 0)).isZero();
  }

  @Test
  void reservationReportListsRegistrants() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    assertThat(a.setHostId(1, 0xa)).isZero();
    assertThat(b.setHostId(2, 0xb)).isZero();
    assertThat(a.register(1, 0xaaaa)).isZero();
    assertThat(b.register(1, 0xbbbb)).isZero();
    assertThat(b.acquire(1, Reservation.ACQUIRE, Reservation.WRITE_EXCLUSIVE, 0xbbbb, 0)).isZero();
    SubmissionEntry report =
        Host.command(NvmOpcode.RESERVATION_REPORT)
            .nsid(1)
            .prp(Host.ADDRESS + Host.DATA, 0)
            .cdw(10, 64 * 3 / 4 - 1);
    assertThat(a.run(1, report).status()).isEqualTo(Status.HOST_ID_INCONSISTENT);
    assertThat(a.run(1, report.cdw(11, Reservation.EXTENDED_DATA)).status()).isZero();
    ReservationReport answer = new ReservationReport().wrap(a.memory, Host.DATA);
    assertThat(answer.generation()).isEqualTo(2);
    assertThat(answer.type()).isEqualTo(Reservation.WRITE_EXCLUSIVE);
    assertThat(answer.registrantCount()).isEqualTo(2);
    assertThat(answer.controllerId(0)).isEqualTo(1);
    assertThat(answer.key(0)).isEqualTo(0xaaaa);
    assertThat(answer.isHolder(0)).isFalse();
    assertThat(answer.isHolder(1)).isTrue();
    assertThat(answer.hostIdLow(1)).isEqualTo(2);
    assertThat(answer.hostIdHigh(1)).isEqualTo(0xb);
  }

  @Test
  void hostIdentifiersOfDifferentLengthAreRefused() {
    a.enable();
    b.enable();
    assertThat(a.setHostId(1, 0)).isZero();
    SubmissionEntry shortId =
        Host.command(AdminOpcode.SET_FEATURES)
            .prp(Host.ADDRESS + Host.DATA, 0)
            .cdw(10, Feature.HOST_IDENTIFIER);
    assertThat(b.admin(shortId).status()).isEqualTo(Status.HOST_ID_INCONSISTENT);
  }

  @Test
  void badDoorbellIsAnEventAndNotMore() {
    a.enable().createQueues(1, 16);
    int event = a.submit(0, Host.command(AdminOpcode.ASYNC_EVENT_REQUEST));
    a.page(1).sqTail(16);
    var _ = a.poll();
    List<Host.Completion> completions = a.reap(0);
    assertThat(completions).hasSize(1);
    assertThat(completions.getFirst().cid()).isEqualTo(event);
    assertThat(completions.getFirst().result()).isEqualTo(0x01_01_00);
    a.page(1).sqTail(-1);
    assertThat(a.poll()).isZero();
    a.page(1).sqTail(0);
    assertThat(a.read(1, 0, 1, 0)).isZero();
  }

  @Test
  void eventRequestsAreLimitedAndHoldNoSlots() {
    a.enable();
    for (int i = 0; i < AsyncEvents.MAX_REQUESTS; i++) {
      var _ = a.submit(0, Host.command(AdminOpcode.ASYNC_EVENT_REQUEST));
    }
    assertThat(a.admin(Host.command(AdminOpcode.ASYNC_EVENT_REQUEST)).status())
        .isEqualTo(Status.ASYNC_EVENT_LIMIT);
    for (int i = 0; i < 100; i++) {
      assertThat(identifyStatus(a, IdentifyCns.CONTROLLER, 0)).isZero();
    }
  }

  @Test
  void unmappingAQueuesMemoryIsFatal() {
    a.enable().createQueues(1, 16);
    assertThat(a.controller.unmap(Host.ADDRESS, Host.MEMORY_BYTES)).isZero();
    assertThat(a.csts()).isEqualTo(ControllerRegisters.CSTS_FATAL);
    a.page(1).sqTail(3);
    assertThat(a.poll()).isZero();
  }

  @Test
  void interruptsComeOncePerRoundAndOnlyWhenArmed() {
    a.enable().createQueues(1, 16);
    a.interrupts.clear();
    SubmissionEntry read =
        Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS, 0).blocks(0, 1, 0);
    for (int i = 0; i < 3; i++) {
      var _ = a.submit(1, read);
    }
    var _ = a.poll();
    assertThat(a.interrupts).containsExactly(1);
    assertThat(a.reap(1)).hasSize(3);
    a.controller.clientArmsInterrupts();
    var _ = a.submit(1, read);
    var _ = a.poll();
    assertThat(a.interrupts).hasSize(1);
    a.page(1).interruptArmed(true);
    var _ = a.submit(1, read);
    var _ = a.poll();
    assertThat(a.interrupts).hasSize(2);
  }

  @Test
  void anythingInTheQueuesIsSurvived() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Host[] hosts = {a, b};
    List<Integer> statuses = new ArrayList<>();
    for (int round = 0; round < 300; round++) {
      Host host = hosts[random.nextInt(2)];
      host.controller.writeRegister(ControllerRegisters.CC, 0);
      host.enable().createQueues(1, 64).createQueues(2, 64);
      for (int i = 0; i < 60; i++) {
        int queue = random.nextInt(3);
        SubmissionEntry command = Host.command(randomOpcode(random, queue));
        command.nsid(random.nextInt(4) == 0 ? random.nextInt() : 1 + random.nextInt(2));
        command.prp(randomAddress(random), randomAddress(random));
        if (random.nextInt(3) == 0) {
          randomSgl(random, host, command);
        }
        for (int dword = 10; dword < 16; dword++) {
          command.cdw(dword, random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(256));
        }
        if (host.controller.submissionQueue(queue) != null) {
          var _ = host.submit(queue, command);
        }
        if (random.nextInt(50) == 0) {
          host.page(random.nextInt(3)).sqTail(random.nextInt());
        }
        var _ = host.poll();
        runFlushes();
        host.reap(0).forEach(c -> statuses.add(c.status()));
        host.reap(1).forEach(c -> statuses.add(c.status()));
        host.reap(2).forEach(c -> statuses.add(c.status()));
      }
    }
    assertThat(statuses).as("seed %d", seed).contains(0).hasSizeGreaterThan(1000);
  }

  private static int randomOpcode(Random random, int queue) {
    int[] likely =
        queue == 0
            ? new int[] {0, 1, 2, 4, 5, 6, 8, 9, 10, 12}
            : new int[] {0, 1, 2, 4, 5, 8, 9, 12, 13, 14, 17, 21};
    return random.nextInt(8) == 0 ? random.nextInt(256) : likely[random.nextInt(likely.length)];
  }

  /** An SGL whose segments lie, with random descriptors, where the data lies too. */
  private static void randomSgl(Random random, Host host, SubmissionEntry command) {
    int[] types = {0x00, 0x00, 0x20, 0x30, 0x10, random.nextInt(256)};
    for (int i = 0; i < 8; i++) {
      long at = Host.DATA + 16L * random.nextInt(1 << 16);
      host.memory.set(Host.LONG, at, randomAddress(random));
      long type = types[random.nextInt(types.length)];
      host.memory.set(Host.LONG, at + 8, type << 56 | random.nextInt(8192));
    }
    command.sgl(randomAddress(random), random.nextInt(1 << 16));
    if (random.nextBoolean()) {
      long segment = Host.ADDRESS + Host.DATA + 16L * random.nextInt(1 << 16);
      command.prp(segment, (long) types[random.nextInt(types.length)] << 56 | 16L * 64);
    }
  }

  /** Mostly beyond the queues, so that the test does not overwrite its own commands. */
  private static long randomAddress(Random random) {
    return switch (random.nextInt(6)) {
      case 0 -> random.nextLong();
      case 1 -> Host.ADDRESS + Host.MEMORY_BYTES - 4096L * random.nextInt(3);
      case 2 -> Host.ADDRESS + Host.DATA + random.nextInt(1 << 20);
      default -> Host.ADDRESS + Host.DATA + 4096L * random.nextInt(512);
    };
  }

  private void settle(Host host) {
    for (int i = 0; i < 4; i++) {
      var _ = host.poll();
      runFlushes();
    }
  }

  private void runFlushes() {
    while (!flusher.isEmpty()) {
      flusher.remove().run();
    }
  }

  private static int deallocate(Host host, int nsid, long[][] ranges) {
    MemorySegment list = host.memory.asSlice(Host.DATA + (2 << 20), 4096);
    for (int i = 0; i < ranges.length; i++) {
      DatasetRange.set(list, i, ranges[i][0], (int) ranges[i][1]);
    }
    return host.run(
            1,
            Host.command(NvmOpcode.DATASET_MANAGEMENT)
                .nsid(nsid)
                .prp(Host.ADDRESS + Host.DATA + (2 << 20), 0)
                .cdw(10, ranges.length - 1)
                .cdw(11, DatasetRange.DEALLOCATE))
        .status();
  }

  private static int delete(Host host, int opcode, int id) {
    return host.admin(Host.command(opcode).cdw(10, id)).status();
  }

  private static MemorySegment identify(Host host, int cns, int nsid) {
    assertThat(identifyStatus(host, cns, nsid)).isZero();
    return host.memory.asSlice(Host.DATA, 4096);
  }

  private static int identifyStatus(Host host, int cns, int nsid) {
    SubmissionEntry command =
        Host.command(AdminOpcode.IDENTIFY).nsid(nsid).prp(Host.ADDRESS + Host.DATA, 0).cdw(10, cns);
    return host.admin(command).status();
  }

  private static void log(Host host, int page, int lengthBytes) {
    SubmissionEntry command =
        Host.command(AdminOpcode.GET_LOG_PAGE)
            .prp(Host.ADDRESS + Host.DATA, 0)
            .cdw(10, page | ((lengthBytes / 4 - 1) << 16));
    assertThat(host.admin(command).status()).isZero();
  }

  private static void fill(Host host, long offset, long lengthBytes, long seed) {
    Random random = new Random(seed);
    for (long i = 0; i < lengthBytes; i += 8) {
      host.memory.set(Host.LONG, Host.DATA + offset + i, random.nextLong());
    }
  }

  private static MemorySegment data(Host host, long offset, long lengthBytes) {
    return host.memory.asSlice(Host.DATA + offset, lengthBytes);
  }
}
