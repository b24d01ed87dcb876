package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.LogPage;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Features, log pages and fields that a drive keeps, refuses or does not know. */
class FeaturesTest extends TwoPortDrive {
  /** First command of a fused operation. */
  private static final byte FUSED = 1;

  @BeforeEach
  void begin() {
    a.enable().createQueues(1, 16);
  }

  @Test
  void featuresWithoutEffectAreKeptAndGivenBackUntilAReset() {
    int[] kept = {
      Feature.ARBITRATION,
      Feature.TEMPERATURE_THRESHOLD,
      Feature.ERROR_RECOVERY,
      Feature.INTERRUPT_COALESCING,
      Feature.WRITE_ATOMICITY,
      Feature.ASYNC_EVENT,
      Feature.RESERVATION_NOTIFICATION_MASK
    };
    for (int feature : kept) {
      assertThat(set(feature, 0x102)).as(Feature.name(feature)).isZero();
      assertThat(get(feature).result()).as(Feature.name(feature)).isEqualTo(0x102);
    }
    a.controller.writeRegister(ControllerRegisters.CC, 0);
    a.enable();
    assertThat(get(Feature.ARBITRATION).result()).isZero();
  }

  @Test
  void powerStatesAndVectorsThatAreNotThereAreRefused() {
    assertThat(set(Feature.POWER_MANAGEMENT, 0)).isZero();
    assertThat(set(Feature.POWER_MANAGEMENT, 1)).isEqualTo(Status.INVALID_FIELD);
    assertThat(set(Feature.INTERRUPT_VECTOR, NvmeController.VECTORS - 1)).isZero();
    assertThat(set(Feature.INTERRUPT_VECTOR, NvmeController.VECTORS))
        .isEqualTo(Status.INVALID_FIELD);
  }

  @Test
  void unknownFeaturesAreRefused() {
    assertThat(set(Feature.TIMESTAMP, 0)).isEqualTo(Status.INVALID_FIELD);
    assertThat(get(Feature.TIMESTAMP).status()).isEqualTo(Status.INVALID_FIELD);
  }

  @Test
  void logPagesSayWhatThereIs() {
    assertThat(log(LogPage.FIRMWARE_SLOT)).isZero();
    assertThat(a.memory.get(Host.INT, Host.DATA)).as("slot 1 is active").isEqualTo(1);
    assertThat(log(LogPage.COMMANDS_SUPPORTED)).isZero();
    assertThat(a.memory.get(Host.INT, Host.DATA + 4L * AdminOpcode.IDENTIFY)).isEqualTo(1);
    assertThat(log(LogPage.CHANGED_NAMESPACES)).isEqualTo(Status.INVALID_LOG_PAGE);
    assertThat(log(LogPage.RESERVATION_NOTIFICATION)).isEqualTo(Status.INVALID_LOG_PAGE);
  }

  @Test
  void fusedCommandsAreRefused() {
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    SubmissionEntry read =
        new SubmissionEntry()
            .wrap(entry, 0)
            .command(NvmOpcode.READ, 0)
            .nsid(1)
            .blocks(0, 1, 0)
            .prp(Host.ADDRESS + Host.DATA, 0);
    assertThat(a.run(1, read).status()).isZero();
    entry.set(ValueLayout.JAVA_BYTE, 1, FUSED);
    assertThat(a.run(1, read).status()).isEqualTo(Status.INVALID_FIELD);
  }

  private int set(int feature, int value) {
    return a.admin(Host.command(AdminOpcode.SET_FEATURES).cdw(10, feature).cdw(11, value)).status();
  }

  private Host.Completion get(int feature) {
    return a.admin(Host.command(AdminOpcode.GET_FEATURES).cdw(10, feature));
  }

  private int log(int page) {
    int dwords = 4096 / 4 - 1;
    return a.admin(
            Host.command(AdminOpcode.GET_LOG_PAGE)
                .prp(Host.ADDRESS + Host.DATA, 0)
                .cdw(10, page | dwords << 16))
        .status();
  }
}
