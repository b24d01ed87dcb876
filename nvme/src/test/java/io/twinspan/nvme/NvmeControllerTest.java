package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NvmeControllerTest {
  private final FakeDevice device = new FakeDevice();

  @Test
  void bringsAControllerUpInTheOrderOfTheSpecification() {
    NvmeController controller = device.open();

    assertThat(controller.state()).isEqualTo(ControllerState.READY);
    assertThat(device.log)
        .containsExactly(
            "CC=0",
            "AQA=1f001f",
            "ASQ",
            "ACQ",
            "CC=460001",
            "Identify 1",
            "Set Features 7",
            "Identify 2",
            "Identify 0",
            "Set Features b",
            "Asynchronous Event Request 0");
    assertThat(controller.maxTransferBytes()).isEqualTo(4096 << 5);
    assertThat(controller.maxQueuePairs()).isEqualTo(4);
    assertThat(controller.identifyController().serialNumber()).isEqualTo("S1");
    assertThat(controller.activeNamespaces()).containsExactly(1);
    assertThat(controller.identifyNamespace(1).blockBytes()).isEqualTo(4096);
  }

  @Test
  void waitsForReadyBeforeItDisablesAControllerThatSomebodyIsStarting() {
    device.cc = ControllerRegisters.CC_ENABLE;
    device.becomesReady = false;

    assertThatThrownBy(device::open)
        .isInstanceOf(NvmeException.class)
        .hasMessageContaining("CSTS.RDY did not become 1");
  }

  @Test
  void givesUpWhenReadyDoesNotComeInTheTimeThatCapTells() {
    device.becomesReady = false;

    assertThatThrownBy(device::open)
        .isInstanceOf(NvmeException.class)
        .hasMessageContaining("CSTS.RDY did not become 1 within PT2S");
    assertThat(device.closed).isTrue();
    assertThat(device.nowNs).isGreaterThan(2_000_000_000L);
  }

  @Test
  void givesUpWhenReadyDoesNotGo() {
    device.becomesDisabled = false;

    assertThatThrownBy(device::open)
        .isInstanceOf(NvmeException.class)
        .hasMessageContaining("CSTS.RDY did not become 0");
  }

  @Test
  void noticesAFatalStatusWhileItEnables() {
    device.becomesReady = false;
    device.fatal = true;

    assertThatThrownBy(device::open).hasMessageContaining("fatal status");
  }

  @Test
  void takesAllOnesForARemovedDevice() {
    device.allOnes = true;

    assertThatThrownBy(device::open).isInstanceOf(DeviceGoneException.class);
  }

  @Test
  void takesAllOnesInCstsForASurpriseRemoval() {
    NvmeController controller = device.open();
    device.allOnes = true;

    assertThat(controller.checkHealth()).isFalse();
    assertThat(controller.state()).isEqualTo(ControllerState.GONE);
    assertThatThrownBy(() -> controller.logs().smart()).isInstanceOf(DeviceGoneException.class);
    controller.close();
    assertThat(controller.state()).isEqualTo(ControllerState.CLOSED);
  }

  @Test
  void disablesAControllerWhoseStatusIsFatalAndComesBackByAReset() {
    NvmeController controller = device.open();
    device.fatal = true;

    assertThat(controller.checkHealth()).isFalse();
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
    assertThat(device.cc).isZero();

    device.fatal = false;
    controller.reset();
    assertThat(controller.state()).isEqualTo(ControllerState.READY);
    assertThat(controller.failure()).isEmpty();
  }

  @Test
  void failsWhenAnAdministrativeCommandIsNotAnsweredInTime() {
    NvmeController controller = device.open();
    device.answersAdmin = false;

    assertThatThrownBy(controller::identifyController)
        .hasMessageContaining("no answer to admin command Identify within PT1S");
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
  }

  @Test
  void failsWhenACompletionNamesAnotherCommand() {
    NvmeController controller = device.open();
    device.adminCidOffset = 5;

    assertThatThrownBy(controller::identifyController).hasMessageContaining("was answered as CID");
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
  }

  @Test
  void noticesADeviceThatGoesWhileACommandIsWaitedFor() {
    NvmeController controller = device.open();
    device.answersAdmin = false;
    device.present = false;

    assertThatThrownBy(controller::identifyController).isInstanceOf(DeviceGoneException.class);
    assertThat(controller.state()).isEqualTo(ControllerState.GONE);
  }

  @Test
  void keepsTheStatusOfACommandThatTheControllerRefuses() {
    NvmeController controller = device.open();
    device.adminStatus.put(AdminOpcode.GET_LOG_PAGE, Status.INVALID_LOG_PAGE);

    assertThatThrownBy(() -> controller.logs().smart())
        .isInstanceOfSatisfying(
            StatusException.class, e -> assertThat(e.status()).isEqualTo(Status.INVALID_LOG_PAGE))
        .hasMessageContaining("Invalid Log Page");
    assertThat(controller.isReady()).isTrue();
  }

  @Test
  void answersManyMoreCommandsThanTheAdminQueueHasEntries() {
    NvmeController controller = device.open();

    for (int i = 0; i < 5 * AdminQueue.ENTRIES; i++) {
      assertThat(controller.features().get(Feature.ARBITRATION)).isZero();
    }
  }

  @Test
  void createsNoMoreQueuePairsThanTheControllerGrants() {
    device.grantedQueues = 2;
    NvmeController controller = device.open();
    QueuePair<String> first = controller.createQueuePair(4, (request, status) -> {});
    controller.createQueuePair(4, (request, status) -> {});

    assertThatThrownBy(() -> controller.createQueuePair(4, (request, status) -> {}))
        .hasMessageContaining("all 2 I/O queue pairs");
    first.close();
    assertThat(controller.createQueuePair(4, (request, status) -> {}).id()).isEqualTo(1);
  }

  @Test
  void aQueuePairThatIsPolledRaisesNoInterrupts() {
    NvmeController controller = device.open();
    QueuePair<String> polled = controller.createQueuePair(4, (request, status) -> {});
    assertThat(device.completionQueueFlags).as("PC only").isEqualTo(1);
    assertThatThrownBy(polled::wakeSource).hasMessageContaining("without interrupts");

    QueuePair<String> sleeping = controller.createQueuePair(4, true, (request, status) -> {});
    assertThat(device.completionQueueFlags).as("vector 2, IEN, PC").isEqualTo(2 << 16 | 3);
    assertThat(sleeping.wakeSource()).isNotNull();
  }

  @Test
  void deletesTheCompletionQueueWhenTheSubmissionQueueIsRefused() {
    NvmeController controller = device.open();
    device.adminStatus.put(AdminOpcode.CREATE_IO_SQ, Status.INVALID_QUEUE_SIZE);
    device.log.clear();

    assertThatThrownBy(() -> controller.createQueuePair(4, (request, status) -> {}))
        .isInstanceOf(StatusException.class);
    assertThat(device.log)
        .containsExactly(
            "Create I/O Completion Queue 40001",
            "Create I/O Submission Queue 40001",
            "Delete I/O Completion Queue 1");
    assertThat(controller.queuePairs()).isEmpty();
  }

  @Test
  void shutsDownInOrder() {
    NvmeController controller = device.open();
    QueuePair<String> pair = controller.createQueuePair(4, (request, status) -> {});
    device.log.clear();

    controller.close();

    assertThat(device.log)
        .containsExactly(
            "Delete I/O Submission Queue 1", "Delete I/O Completion Queue 1", "CC=464001", "CC=0");
    assertThat(device.closed).isTrue();
    assertThat(pair.isAlive()).isFalse();
    pair.close();
  }

  @Test
  void doesNotWaitForEverForAShutdown() {
    NvmeController controller = device.open();
    device.shutsDown = false;

    controller.close();

    assertThat(controller.state()).isEqualTo(ControllerState.CLOSED);
    assertThat(device.closed).isTrue();
  }

  @Test
  void takesEventsAndLetsTheControllerReportAgain() {
    NvmeController controller = device.open();
    assertThat(controller.takeEvents()).isEmpty();
    device.report(0x02_01_01); // SMART, temperature, log page 2
    assertThat(controller.identifyController().serialNumber()).isEqualTo("S1");
    device.log.clear();

    assertThat(controller.takeEvents())
        .containsExactly(new AsyncEvent(AsyncEvent.SMART, AsyncEvent.TEMPERATURE, LogPage.SMART));
    assertThat(device.log).containsExactly("Get Log Page f0002");
    assertThat(controller.takeEvents()).isEmpty();
    assertThat(controller.identifyController().serialNumber()).isEqualTo("S1");
    assertThat(device.log).contains("Asynchronous Event Request 0");
  }

  @Test
  void learnsNamespacesThatHaveChanged() {
    NvmeController controller = device.open();
    assertThat(controller.limits(1).boundaryBlocks()).isZero();
    device.boundaryBlocks = 16;
    device.report(0x04_00_02);

    assertThat(controller.takeEvents()).singleElement().matches(AsyncEvent::isNamespaceChange);
    assertThat(controller.limits(1).boundaryBlocks()).isEqualTo(16);

    device.adminStatus.put(AdminOpcode.IDENTIFY, Status.INVALID_NAMESPACE);
    device.report(0x04_00_02);
    assertThat(controller.takeEvents()).hasSize(1);
    assertThat(controller.limits(1)).isEqualTo(NamespaceLimits.NONE);
  }

  @Test
  void doesWithoutEventsWhereTheControllerHasNone() {
    device.adminStatus.put(AdminOpcode.ASYNC_EVENT_REQUEST, Status.INVALID_OPCODE);
    NvmeController controller = device.open();
    assertThat(controller.takeEvents()).isEmpty();
    assertThat(controller.isReady()).isTrue();
  }

  @Test
  void readsLongLogPagesInPieces() {
    NvmeController controller = device.open();
    device.log.clear();
    assertThat(controller.logs().page(LogPage.ERROR, 20_000).byteSize()).isEqualTo(20_000);
    assertThat(device.log)
        .containsExactly(
            "Get Log Page 7ff8001",
            "Get Log Page 7ff8001",
            "Get Log Page %x".formatted(903 << 16 | 1));
  }

  @Test
  void readsNamesOfNamespacesWhateverTheListHolds() {
    MemorySegment list = MemorySegment.ofArray(new byte[64]);
    list.set(LittleEndian.ANY_INT, 0, 0x0802);
    list.set(LittleEndian.ANY_LONG, 4, 0x0807060504030201L);
    list.set(LittleEndian.ANY_INT, 12, 0xff01); // longer than the list
    assertThat(NamespaceDescriptor.readFrom(list))
        .containsExactly(new NamespaceDescriptor(2, "0102030405060708"));
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int i = 0; i < 1000; i++) {
      byte[] bytes = new byte[random.nextInt(4096)];
      random.nextBytes(bytes);
      assertThat(NamespaceDescriptor.readFrom(MemorySegment.ofArray(bytes)))
          .as("seed %d", seed)
          .hasSizeLessThan(1024);
    }
  }

  @Test
  void takesMemoryBack() {
    NvmeController controller = device.open();
    try (DmaMemory memory = DmaMemory.allocate("test", 8192)) {
      int before = device.dmaWindows();
      controller.map(memory);
      assertThat(controller.iovaOf(memory.segment(), 4096, 4096)).isPositive();

      controller.unmap(memory);

      assertThat(controller.iovaOf(memory.segment(), 4096, 4096)).isEqualTo(-1);
      assertThat(device.dmaWindows()).isEqualTo(before);
    }
  }

  @Test
  void noStateIsLeftByAWayThatIsNotDrawn() {
    for (ControllerState state : ControllerState.values()) {
      assertThat(state.mayBecome(ControllerState.ATTACHED)).isFalse();
      assertThat(state.mayBecome(state)).isFalse();
      assertThat(ControllerState.CLOSED.mayBecome(state)).isFalse();
    }
    assertThat(ControllerState.GONE.mayBecome(ControllerState.DISABLING)).isFalse();
    assertThat(ControllerState.ATTACHED.mayBecome(ControllerState.READY)).isFalse();
  }
}
