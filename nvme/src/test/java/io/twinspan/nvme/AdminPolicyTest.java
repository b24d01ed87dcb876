package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class AdminPolicyTest {
  private static final int METADATA_OFFSET = 16;
  private static final int RETAIN_ASYNC_EVENT = 1 << 15;

  private final MemorySegment memory = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
  private final SubmissionEntry command = new SubmissionEntry().wrap(memory, 0);

  @Test
  void fusedCommandsAndSglsAreRefusedEvenOfAdministrators() {
    for (int flags : new int[] {1, 2, 0x40, 0x80}) {
      command.clear().command(AdminOpcode.IDENTIFY, 0).cdw(0, AdminOpcode.IDENTIFY | flags << 8);
      assertThat(AdminPolicy.decide(command, true))
          .as("flags 0x%x", flags)
          .isEqualTo(Status.INVALID_FIELD);
    }
  }

  @Test
  void addressesOfTheSenderAreTakenAway() {
    command.clear().command(AdminOpcode.IDENTIFY, 0).prp(0x1000, 0x2000).metadata(0x3000);
    assertThat(AdminPolicy.confine(command, IdentifyController.BYTES)).isTrue();
    assertThat(command.prp1()).isZero();
    assertThat(command.prp2()).isZero();
    assertThat(memory.get(LittleEndian.LONG, METADATA_OFFSET)).isZero();
  }

  @Test
  void whoReadsALogPageDoesNotClearItsEvent() {
    command.clear().command(AdminOpcode.GET_LOG_PAGE, 0).cdw(10, 127 << 16 | LogPage.SMART);
    assertThat(AdminPolicy.decide(command, false)).isEqualTo(Status.SUCCESS);
    assertThat(command.cdw(10)).isEqualTo(127 << 16 | RETAIN_ASYNC_EVENT | LogPage.SMART);
  }

  @Test
  void moreThanWasOfferedIsNotTransferred() {
    command.clear().command(AdminOpcode.IDENTIFY, 0);
    assertThat(AdminPolicy.confine(command, IdentifyController.BYTES - 1)).isFalse();
    command.clear().command(AdminOpcode.GET_LOG_PAGE, 0).cdw(10, 128 << 16).cdw(11, 0);
    assertThat(AdminPolicy.confine(command, 512)).isFalse();
    assertThat(AdminPolicy.confine(command, 516)).isTrue();
    command.cdw(11, 1);
    assertThat(AdminPolicy.confine(command, 516)).isFalse();
  }
}
