package io.twinspan.shelf;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.SmartLog;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** Writes the log pages (NVM Express 1.4, section 5.14.1); the memory handed in is zeroed. */
final class LogPages {
  /** Size of the longest page. */
  static final int MAX_BYTES = 4096;

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int UNITS_BYTES = 512_000;
  private static final int ROOM_TEMPERATURE_KELVIN = 296;
  private static final int SUPPORTED = 1;
  private static final int CHANGES_BLOCKS = 1 << 1;
  private static final int IO_COMMANDS = 1024;

  private LogPages() {}

  /** SMART / Health Information. */
  static void smart(MemorySegment page, Health health, long errors) {
    new SmartLog()
        .wrap(page, 0)
        .temperature(ROOM_TEMPERATURE_KELVIN)
        .availableSpare(100)
        .availableSpareThreshold(10)
        .dataUnitsRead((health.bytesRead + UNITS_BYTES - 1) / UNITS_BYTES)
        .dataUnitsWritten((health.bytesWritten + UNITS_BYTES - 1) / UNITS_BYTES)
        .hostReads(health.reads)
        .hostWrites(health.writes)
        .powerCycles(health.powerCycles)
        .powerOnHours(TimeUnit.SECONDS.toHours(health.powerOnSeconds()))
        .unsafeShutdowns(health.unsafeShutdowns)
        .mediaErrors(health.mediaErrors)
        .errorLogEntries(errors);
  }

  /** Firmware Slot Information: one slot, active. */
  static void firmware(MemorySegment page, String revision) {
    page.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
    byte[] name = "%-8s".formatted(revision).getBytes(StandardCharsets.US_ASCII);
    MemorySegment.copy(name, 0, page, ValueLayout.JAVA_BYTE, 8, 8);
  }

  /** Commands Supported and Effects. */
  static void commands(MemorySegment page, DoorbellKind doorbells) {
    int[] admin = {
      AdminOpcode.DELETE_IO_SQ,
      AdminOpcode.CREATE_IO_SQ,
      AdminOpcode.GET_LOG_PAGE,
      AdminOpcode.DELETE_IO_CQ,
      AdminOpcode.CREATE_IO_CQ,
      AdminOpcode.IDENTIFY,
      AdminOpcode.ABORT,
      AdminOpcode.SET_FEATURES,
      AdminOpcode.GET_FEATURES,
      AdminOpcode.ASYNC_EVENT_REQUEST
    };
    int[] io = {
      NvmOpcode.FLUSH,
      NvmOpcode.READ,
      NvmOpcode.COMPARE,
      NvmOpcode.VERIFY,
      NvmOpcode.RESERVATION_REGISTER,
      NvmOpcode.RESERVATION_REPORT,
      NvmOpcode.RESERVATION_ACQUIRE,
      NvmOpcode.RESERVATION_RELEASE
    };
    for (int opcode : admin) {
      page.set(INT, 4L * opcode, SUPPORTED);
    }
    if (doorbells == DoorbellKind.SHADOWED) {
      page.set(INT, 4L * AdminOpcode.DOORBELL_BUFFER_CONFIG, SUPPORTED);
    }
    for (int opcode : io) {
      page.set(INT, IO_COMMANDS + 4L * opcode, SUPPORTED);
    }
    int[] writes = {
      NvmOpcode.WRITE,
      NvmOpcode.WRITE_ZEROES,
      NvmOpcode.WRITE_UNCORRECTABLE,
      NvmOpcode.DATASET_MANAGEMENT
    };
    for (int opcode : writes) {
      page.set(INT, IO_COMMANDS + 4L * opcode, SUPPORTED | CHANGES_BLOCKS);
    }
  }
}
