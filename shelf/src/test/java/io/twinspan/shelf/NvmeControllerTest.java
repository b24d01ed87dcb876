package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.IdentifyCns;
import io.twinspan.nvme.IdentifyController;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NvmeControllerTest extends TwoPortDrive {
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
  void aClientThatSleepsIsInterruptedOnceForEachOfItsSleeps() {
    a.enable().createQueues(1, 16);
    a.controller.clientArmsInterrupts();
    a.interrupts.clear();
    DoorbellPage page = a.page(1);
    SubmissionEntry read =
        Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS, 0).blocks(0, 1, 0);
    for (int sleep = 1; sleep <= 2; sleep++) {
      page.interruptArmed(true);
      for (int i = 0; i < 3; i++) {
        var _ = a.submit(1, read);
        var _ = a.poll();
      }
      assertThat(a.interrupts).hasSize(sleep);
      page.interruptArmed(false);
    }
  }

  @Test
  void aNewQueuePairsFirstSleepIsNotTakenForTheLastOnes() {
    a.enable();
    a.controller.clientArmsInterrupts();
    SubmissionEntry read =
        Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS, 0).blocks(0, 1, 0);
    for (int client = 1; client <= 2; client++) {
      a.createQueues(1, 16);
      a.interrupts.clear();
      a.page(1).interruptArmed(true);
      var _ = a.submit(1, read);
      var _ = a.poll();
      assertThat(a.interrupts).containsExactly(1);
      assertThat(a.admin(Host.command(AdminOpcode.DELETE_IO_SQ).cdw(10, 1)).status()).isZero();
      assertThat(a.admin(Host.command(AdminOpcode.DELETE_IO_CQ).cdw(10, 1)).status()).isZero();
    }
  }
}
