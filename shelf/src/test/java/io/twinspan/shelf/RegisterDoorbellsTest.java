package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.IdentifyCns;
import io.twinspan.nvme.IdentifyController;
import io.twinspan.nvme.LogPage;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RegisterDoorbellsTest extends TwoPortDrive {
  private static final int ENTRIES = 16;
  private static final long BUFFERS = 6 << 20;

  /** Where the buffers are mapped a second time. */
  private static final long APART = 0x4000_0000L;

  private final Host c = new Host(subsystem, subsystem.addController(DoorbellKind.SHADOWED));

  @AfterEach
  void leave() {
    c.close();
  }

  @Test
  void buffersAreOfferedWhereDoorbellsLieCloseTogether() {
    a.enable();
    c.enable();
    assertThat(c.controller.readRegister(4) & 0xf).as("DSTRD").isZero();
    assertThat(offered(c)).isTrue();
    assertThat(offered(a)).isFalse();
    log(c, LogPage.COMMANDS_SUPPORTED, 4096);
    long entry = Host.DATA + 4L * AdminOpcode.DOORBELL_BUFFER_CONFIG;
    assertThat(c.memory.get(Host.INT, entry)).isEqualTo(1);
    assertThat(configure(a, Host.ADDRESS + BUFFERS)).isEqualTo(Status.INVALID_OPCODE);
  }

  @Test
  void aHostThatWritesTheRegistersIsServed() {
    c.enable().createQueues(1, ENTRIES);
    for (int i = 0; i < 3 * ENTRIES; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
    }
  }

  @Test
  void tailsAndHeadsAreReadFromTheShadows() {
    begin();
    for (int i = 0; i < 3 * ENTRIES; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
    }
    assertThat(c.doorbells.get(Host.INT, 8)).as("the tail's register").isZero();
    assertThat(c.doorbells.get(Host.INT, 12)).as("the head's register").isZero();
  }

  @Test
  void aDriveThatIsAwakeIsHardlyEverRung() {
    begin();
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int answered = 0;
    int submitted = 0;
    for (int round = 0; round < 500; round++) {
      int count = 1 + random.nextInt(random.nextBoolean() ? 2 : ENTRIES - 1);
      for (int i = 0; i < count; i++) {
        c.submit(1, Host.command(NvmOpcode.READ).nsid(1).prp(Host.ADDRESS + Host.DATA, 0));
        submitted++;
      }
      while (answered < submitted) {
        var _ = c.poll();
        answered += c.reap(1).size();
      }
    }
    // After a small step the index may be half a round behind, and a burst then passes it.
    assertThat(c.rings()).as("seed %d, %d commands", seed, submitted).isLessThan(submitted / 20);
  }

  @Test
  void commandsOneByOneNeedNoRingAtAll() {
    begin();
    for (int i = 0; i < 10 * ENTRIES; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
    }
    assertThat(c.rings()).isZero();
  }

  @Test
  void aDriveThatIsAboutToSleepIsRungByTheNextCommand() {
    begin();
    for (int i = 0; i < 2 * ENTRIES + 1; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
      int rings = c.rings();
      c.controller.sleeping(true);
      c.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
      assertThat(c.rings()).as("after command %d", i).isEqualTo(rings + 1);
      c.controller.sleeping(false);
      settle(c);
      assertThat(c.reap(1)).hasSize(1);
      assertThat(c.write(1, i, 1, 0)).isZero();
      assertThat(c.rings()).as("after command %d", i).isEqualTo(rings + 1);
    }
  }

  @Test
  void queuesThatExistAlreadyGoOn() {
    c.enable().createQueues(1, ENTRIES);
    for (int i = 0; i < 5; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
    }
    offer();
    assertThat(c.memory.get(Host.INT, BUFFERS + 8)).isEqualTo(5);
    assertThat(c.memory.get(Host.INT, BUFFERS + 12)).isEqualTo(5);
    assertThat(c.poll()).isZero();
    for (int i = 0; i < 2 * ENTRIES; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero();
    }
    assertThat(c.rings()).isZero();
  }

  @Test
  void aQueueThatIsMadeAnewBeginsWithNothing() {
    c.enable().createQueues(1, ENTRIES);
    assertThat(c.write(1, 0, 1, 0)).isZero();
    assertThat(delete(c, AdminOpcode.DELETE_IO_SQ, 1)).isZero();
    assertThat(delete(c, AdminOpcode.DELETE_IO_CQ, 1)).isZero();
    c.createQueues(1, ENTRIES);
    var _ = c.poll();
    SubmissionQueue queue = c.controller.submissionQueue(1);
    assertThat(queue).isNotNull();
    assertThat(queue.commands()).isZero();
  }

  @Test
  void aResetForgetsTheBuffers() {
    begin();
    for (int i = 0; i < 3; i++) {
      assertThat(c.write(1, i, 1, 0)).isZero(); // and 3 stays in the shadow
    }
    c.controller.writeRegister(ControllerRegisters.CC, ControllerRegisters.CC_ENTRY_SIZES);
    c.shadowDoorbells(-1);
    c.enable().createQueues(1, ENTRIES);
    assertThat(c.write(1, 0, 1, 0)).isZero();
    assertThat(c.doorbells.get(Host.INT, 8)).isEqualTo(1);
    SubmissionQueue queue = c.controller.submissionQueue(1);
    assertThat(queue).isNotNull();
    assertThat(queue.commands()).isOne();
  }

  @Test
  void buffersThatTheDriveMayNotUseAreRefused() {
    c.enable();
    long buffers = Host.ADDRESS + BUFFERS;
    assertThat(configure(c, buffers + 4)).isEqualTo(Status.INVALID_FIELD);
    assertThat(configure(c, 0x7000_0000L)).isEqualTo(Status.INVALID_FIELD);
    assertThat(configure(c, Host.ADDRESS + Host.MEMORY_BYTES - 4096))
        .as("the second page is beyond the end")
        .isEqualTo(Status.INVALID_FIELD);
    for (List<Boolean> rights : List.of(List.of(true, false), List.of(false, true))) {
      var dma = c.controller.dma();
      assertThat(dma.add(APART, 8192, c.memfd(), BUFFERS, rights.getFirst(), rights.getLast()))
          .isZero();
      assertThat(configure(c, APART)).isEqualTo(Status.INVALID_FIELD);
      assertThat(c.controller.unmap(APART, 8192)).isZero();
    }
    assertThat(configure(c, buffers)).isZero();
  }

  @Test
  void unmappingTheBuffersIsFatal() {
    c.enable().createQueues(1, ENTRIES);
    assertThat(c.controller.dma().add(APART, 8192, c.memfd(), BUFFERS, true, true)).isZero();
    assertThat(configure(c, APART)).isZero();
    assertThat(c.controller.unmap(APART, 8192)).isZero();
    assertThat(c.csts()).isEqualTo(ControllerRegisters.CSTS_FATAL);
    assertThat(c.poll()).isZero();
  }

  @Test
  void aTailThatTheQueueDoesNotHaveIsNotRun() {
    begin();
    c.memory.set(Host.INT, BUFFERS + 8, ENTRIES);
    assertThat(c.poll()).isZero();
    c.memory.set(Host.INT, BUFFERS + 8, Integer.MIN_VALUE);
    assertThat(c.poll()).isZero();
    c.memory.set(Host.INT, BUFFERS + 8, 0);
    assertThat(c.write(1, 0, 1, 0)).isZero();
  }

  private void begin() {
    c.enable();
    offer();
    c.createQueues(1, ENTRIES);
  }

  private void offer() {
    assertThat(configure(c, Host.ADDRESS + BUFFERS)).isZero();
    c.shadowDoorbells(BUFFERS);
  }

  private static int configure(Host host, long buffers) {
    return host.admin(Host.command(AdminOpcode.DOORBELL_BUFFER_CONFIG).prp(buffers, buffers + 4096))
        .status();
  }

  private static boolean offered(Host host) {
    int oacs =
        new IdentifyController().wrap(identify(host, IdentifyCns.CONTROLLER, 0), 0).adminCommands();
    return (oacs & IdentifyController.OACS_DOORBELL_BUFFER) != 0;
  }
}
