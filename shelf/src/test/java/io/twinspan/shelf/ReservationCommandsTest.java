package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.ReservationReport;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import org.junit.jupiter.api.Test;

class ReservationCommandsTest extends TwoPortDrive {
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
}
