package io.twinspan.shelf;

import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.ReservationReport;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The reservation commands of one controller (NVM Express 1.4, sections 6.10 to 6.13). The agent
 * thread's.
 */
final class ReservationCommands {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  // CPTPL: whether to persist through power loss.
  private static final int CPTPL_CLEAR = 2;
  private static final int CPTPL_SET = 3;

  private static final int SHORT_HEADER_BYTES = 24;
  private static final int SHORT_REGISTRANT_BYTES = 24;

  /** CNTLID of a registrant whose host has no controller at the moment. */
  private static final int NO_CONTROLLER = 0xffff;

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final DataPointer data;
  private final MemorySegment keys = Arena.ofAuto().allocate(Reservation.KEYS_BYTES, 8);
  private final MemorySegment report;

  ReservationCommands(NvmeController controller, Subsystem subsystem, DataPointer data) {
    this.controller = controller;
    this.subsystem = subsystem;
    this.data = data;
    long entries = 2L * Reservations.MAX_REGISTRANTS; // a host may have both controllers
    report =
        Arena.ofAuto()
            .allocate(
                ReservationReport.HEADER_BYTES + entries * ReservationReport.REGISTRANT_BYTES, 8);
  }

  /**
   * Runs a reservation command and returns its status, or {@link NvmeController#DEFERRED} until
   * what is to persist through power loss has been saved.
   */
  int execute(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    if (command.opcode() == NvmOpcode.RESERVATION_REPORT) {
      return report(command, namespace);
    }
    boolean release = command.opcode() == NvmOpcode.RESERVATION_RELEASE;
    int length = release ? Long.BYTES : Reservation.KEYS_BYTES;
    int status = data.resolve(command, length, false);
    if (status != Status.SUCCESS) {
      return status;
    }
    data.copyTo(keys);
    subsystem.transfers().settle(); // what was begun by a right that is lost now has an end
    boolean persisted = namespace.reservations().persists();
    Reservations.Outcome outcome =
        switch (command.opcode()) {
          case NvmOpcode.RESERVATION_REGISTER -> register(command, namespace.reservations());
          case NvmOpcode.RESERVATION_ACQUIRE -> acquire(command, namespace.reservations());
          default -> release(command, namespace.reservations());
        };
    return switch (outcome) {
      case OK ->
          persisted || namespace.reservations().persists()
              ? subsystem.saveState(controller, queue, command)
              : Status.SUCCESS;
      case CONFLICT -> Status.RESERVATION_CONFLICT;
      case INVALID_FIELD -> Status.INVALID_FIELD;
      case NO_ROOM -> Status.INTERNAL_ERROR;
    };
  }

  private Reservations.Outcome register(SubmissionEntry command, Reservations reservations) {
    int cdw10 = command.cdw(10);
    HostIdentity host = controller.host();
    boolean ignoreKey = (cdw10 & Reservation.IGNORE_EXISTING_KEY) != 0;
    Reservations.Outcome outcome =
        switch (Reservation.action(cdw10)) {
          case Reservation.REGISTER -> reservations.register(host, otherKey());
          case Reservation.UNREGISTER -> reservations.unregister(host, currentKey(), ignoreKey);
          case Reservation.REPLACE ->
              reservations.replaceKey(host, currentKey(), otherKey(), ignoreKey);
          default -> Reservations.Outcome.INVALID_FIELD;
        };
    int change = cdw10 >>> 30;
    if (outcome == Reservations.Outcome.OK && (change == CPTPL_SET || change == CPTPL_CLEAR)) {
      reservations.persist(change == CPTPL_SET);
    }
    return outcome;
  }

  private Reservations.Outcome acquire(SubmissionEntry command, Reservations reservations) {
    int cdw10 = command.cdw(10);
    if ((cdw10 & Reservation.IGNORE_EXISTING_KEY) != 0) {
      return Reservations.Outcome.INVALID_FIELD;
    }
    HostIdentity host = controller.host();
    ReservationType type = ReservationType.of(Reservation.type(cdw10));
    return switch (Reservation.action(cdw10)) {
      case Reservation.ACQUIRE -> reservations.acquire(host, currentKey(), type);
      case Reservation.PREEMPT -> reservations.preempt(host, currentKey(), otherKey(), type, false);
      case Reservation.PREEMPT_AND_ABORT ->
          reservations.preempt(host, currentKey(), otherKey(), type, true);
      default -> Reservations.Outcome.INVALID_FIELD;
    };
  }

  private Reservations.Outcome release(SubmissionEntry command, Reservations reservations) {
    int cdw10 = command.cdw(10);
    if ((cdw10 & Reservation.IGNORE_EXISTING_KEY) != 0) {
      return Reservations.Outcome.INVALID_FIELD;
    }
    HostIdentity host = controller.host();
    return switch (Reservation.action(cdw10)) {
      case Reservation.RELEASE ->
          reservations.release(host, currentKey(), ReservationType.of(Reservation.type(cdw10)));
      case Reservation.CLEAR -> reservations.clear(host, currentKey());
      default -> Reservations.Outcome.INVALID_FIELD;
    };
  }

  private int report(SubmissionEntry command, Namespace namespace) {
    boolean extended = (command.cdw(11) & Reservation.EXTENDED_DATA) != 0;
    Reservations reservations = namespace.reservations();
    boolean needsExtended = reservations.registrants().stream().anyMatch(r -> r.host().extended());
    if (needsExtended && !extended) {
      return Status.HOST_ID_INCONSISTENT;
    }
    long lengthBytes = ((command.cdw(10) & 0xffff_ffffL) + 1) * Integer.BYTES;
    if (lengthBytes > DataPointer.MAX_BYTES) {
      return Status.INVALID_FIELD;
    }
    int status = data.resolve(command, (int) lengthBytes, true);
    if (status != Status.SUCCESS) {
      return status;
    }
    writeReport(reservations, extended);
    data.copyFrom(report);
    return Status.SUCCESS;
  }

  private void writeReport(Reservations reservations, boolean extended) {
    report.fill((byte) 0);
    int count = 0;
    for (Reservations.Registrant registrant : reservations.registrants()) {
      boolean holder = reservations.holds(registrant.host());
      boolean attached = false;
      for (NvmeController each : subsystem.controllers()) {
        if (each.host().equals(registrant.host())) {
          writeRegistrant(count++, each.controllerId(), holder, registrant, extended);
          attached = true;
        }
      }
      if (!attached) {
        writeRegistrant(count++, NO_CONTROLLER, holder, registrant, extended);
      }
    }
    new ReservationReport()
        .wrap(report, 0)
        .generation(reservations.generation())
        .type(reservations.type().code())
        .registrantCount(count);
  }

  private void writeRegistrant(
      int index,
      int controllerId,
      boolean holder,
      Reservations.Registrant registrant,
      boolean extended) {
    HostIdentity host = registrant.host();
    if (extended) {
      new ReservationReport()
          .wrap(report, 0)
          .registrant(index, controllerId, holder, registrant.key(), host.low(), host.high());
      return;
    }
    long at = SHORT_HEADER_BYTES + (long) SHORT_REGISTRANT_BYTES * index;
    report.set(SHORT, at, (short) controllerId);
    report.set(INT, at + 2, holder ? 1 : 0);
    report.set(LONG, at + 8, host.low());
    report.set(LONG, at + 16, registrant.key());
  }

  private long currentKey() {
    return keys.get(LONG, Reservation.CURRENT_KEY_OFFSET);
  }

  private long otherKey() {
    return keys.get(LONG, Reservation.OTHER_KEY_OFFSET);
  }
}
