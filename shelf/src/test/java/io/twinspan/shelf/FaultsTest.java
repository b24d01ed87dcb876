package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

class FaultsTest extends TwoPortDrive {
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
}
