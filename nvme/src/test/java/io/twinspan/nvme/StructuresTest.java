package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** Bytes laid out by hand from the specifications. */
class StructuresTest {
  private final MemorySegment memory = Arena.ofAuto().allocate(4096, 8);

  @Test
  void submissionEntry() {
    new SubmissionEntry()
        .wrap(memory, 64)
        .clear()
        .command(NvmOpcode.WRITE, 0x1234)
        .nsid(5)
        .prp(0x1122334455667788L, 0x99)
        .blocks(0x0102030405060708L, 0x10, SubmissionEntry.FORCE_UNIT_ACCESS);

    assertThat(hex(64, 64))
        .isEqualTo(
            "01003412"
                + "05000000"
                + "0000000000000000"
                + "0000000000000000"
                + "8877665544332211"
                + "9900000000000000"
                + "0807060504030201"
                + "0f000040"
                + "000000000000000000000000");
    SubmissionEntry read = new SubmissionEntry().wrap(memory, 64);
    assertThat(read.cid()).isEqualTo(0x1234);
    assertThat(read.blockCount()).isEqualTo(16);
    assertThat(read.lba()).isEqualTo(0x0102030405060708L);
    assertThat(read.cid(0xfffe).cid()).isEqualTo(0xfffe);
    assertThat(read.opcode()).isEqualTo(NvmOpcode.WRITE);
  }

  @Test
  void completionEntry() {
    CompletionEntry entry = new CompletionEntry().wrap(memory, 16);
    entry.publish(0xdeadbeef, 3, 1, 0xfffe, Status.RESERVATION_CONFLICT, true, 1);

    assertThat(hex(16, 16)).isEqualTo("efbeadde" + "00000000" + "0300" + "0100" + "feff" + "0781");
    int last = entry.lastDwordAcquire();
    assertThat(CompletionEntry.phase(last)).isEqualTo(1);
    assertThat(CompletionEntry.cid(last)).isEqualTo(0xfffe);
    assertThat(CompletionEntry.status(last)).isEqualTo(Status.RESERVATION_CONFLICT);
    assertThat(CompletionEntry.doNotRetry(last)).isTrue();
    assertThat(entry.sqHead()).isEqualTo(3);
    assertThat(entry.sqId()).isEqualTo(1);

    entry.publish(0, 0, 0, 0, Status.UNRECOVERED_READ, false, 0);
    assertThat(hex(28, 4)).isEqualTo("0000" + "0205");
    assertThat(CompletionEntry.status(entry.lastDwordAcquire())).isEqualTo(0x281);
  }

  @Test
  void controllerRegisters() {
    long cap = ControllerRegisters.cap(1024, 10_000, 9);

    assertThat(cap).isEqualTo(0x0000_0029_1401_03ffL);
    assertThat(ControllerRegisters.maxQueueEntries(cap)).isEqualTo(1024);
    assertThat(ControllerRegisters.timeoutMs(cap)).isEqualTo(10_000);
    assertThat(ControllerRegisters.doorbellStride(cap)).isEqualTo(9);
    assertThat(ControllerRegisters.hasNvmCommandSet(cap)).isTrue();
    assertThat(ControllerRegisters.minPageShift(cap)).isEqualTo(12);
    assertThat(ControllerRegisters.sqTailDoorbell(1, 0)).isEqualTo(0x1008);
    assertThat(ControllerRegisters.cqHeadDoorbell(1, 0)).isEqualTo(0x100c);
    assertThat(ControllerRegisters.sqTailDoorbell(3, 9)).isEqualTo(DoorbellPage.barOffset(3));
    assertThat(ControllerRegisters.cqHeadDoorbell(3, 9))
        .isEqualTo(DoorbellPage.barOffset(3) + DoorbellPage.CQ_HEAD_OFFSET);
    assertThat(ControllerRegisters.aqa(32, 16)).isEqualTo(0x000f001f);
  }

  @Test
  void identifyController() {
    IdentifyController identity = new IdentifyController().wrap(memory, 0);
    identity
        .vendorId(0x1b36)
        .serialNumber("SN")
        .modelNumber("A model")
        .controllerId(2)
        .nvmCommands(IdentifyController.ONCS_RESERVATIONS)
        .subsystemNqn("nqn.2014-08.org.nvmexpress:uuid:x");

    assertThat(hex(0, 8)).isEqualTo("361b" + "0000" + "534e2020");
    assertThat(hex(78, 2)).isEqualTo("0200");
    assertThat(hex(520, 2)).isEqualTo("2000");
    assertThat(hex(768 + 33, 2)).isEqualTo("0000");
    assertThat(identity.serialNumber()).isEqualTo("SN");
    assertThat(identity.modelNumber()).isEqualTo("A model");
    assertThat(identity.subsystemNqn()).isEqualTo("nqn.2014-08.org.nvmexpress:uuid:x");
  }

  @Test
  void identifyNamespace() {
    IdentifyNamespace namespace = new IdentifyNamespace().wrap(memory, 0);
    namespace.sizeBlocks(0x100).formattedSize(1).format(1, 12).reservationCapabilities(4);

    assertThat(hex(0, 8)).isEqualTo("0001000000000000");
    assertThat(hex(26, 1)).isEqualTo("01");
    assertThat(hex(31, 1)).isEqualTo("04");
    assertThat(hex(132, 4)).isEqualTo("00000c00");
    assertThat(namespace.blockBytes()).isEqualTo(4096);
    assertThat(namespace.format(1, 40).blockBytes()).isZero();
  }

  @Test
  void reservationReport() {
    ReservationReport report = new ReservationReport().wrap(memory, 0);
    report.generation(9).type(Reservation.EXCLUSIVE_ACCESS).registrantCount(2);
    report.registrant(1, 2, true, 0x1122, 0x33, 0x44);

    assertThat(hex(0, 7)).isEqualTo("09000000" + "02" + "0200");
    assertThat(hex(128, 32))
        .isEqualTo(
            "0200"
                + "01"
                + "0000000000"
                + "2211000000000000"
                + "3300000000000000"
                + "4400000000000000");
    assertThat(report.isHolder(1)).isTrue();
    assertThat(report.key(1)).isEqualTo(0x1122);
    assertThat(report.hostIdHigh(1)).isEqualTo(0x44);
  }

  @Test
  void smartLogAndErrorLog() {
    new SmartLog().wrap(memory, 1).temperature(300).hostReads(7);
    assertThat(hex(2, 2)).isEqualTo("2c01");
    assertThat(hex(65, 8)).isEqualTo("0700000000000000");

    ErrorLogEntry error = new ErrorLogEntry().wrap(memory, 1024);
    error.errorCount(1).sqId(2).cid(3).statusField(Status.LBA_OUT_OF_RANGE << 1).lba(5).nsid(1);
    assertThat(hex(1024, 16)).isEqualTo("0100000000000000" + "0200" + "0300" + "0001" + "0000");
    assertThat(error.status()).isEqualTo(Status.LBA_OUT_OF_RANGE);
  }

  @Test
  void vfioUserMessage() {
    VfioUserMessage message = new VfioUserMessage(memory);
    message.command(0xabcd, VfioUser.REGION_READ, 16).u64(0, 0x14).u32(8, 7).u32(12, 4);

    assertThat(hex(0, 32))
        .isEqualTo(
            "cdab"
                + "0900"
                + "20000000"
                + "00000000"
                + "00000000"
                + "1400000000000000"
                + "07000000"
                + "04000000");
    assertThat(message.isReply()).isFalse();
    assertThat(message.hasValidSize()).isTrue();

    message.error(1, VfioUser.DMA_MAP, 17);
    assertThat(hex(0, 16)).isEqualTo("0100" + "0200" + "10000000" + "21000000" + "11000000");
    assertThat(message.isReply()).isTrue();
    assertThat(message.isError()).isTrue();
    memory.set(LittleEndian.INT, 4, -1);
    assertThat(message.hasValidSize()).isFalse();
    memory.set(LittleEndian.INT, 4, 15);
    assertThat(message.hasValidSize()).isFalse();
  }

  @Test
  void vfioUserVersion() {
    VfioUserMessage message = new VfioUserMessage(memory);
    VfioUserVersion ours = VfioUserVersion.OURS;
    ours.writeTo(message.command(1, VfioUser.VERSION, ours.payloadBytes()));
    assertThat(VfioUserVersion.readFrom(message)).isEqualTo(ours);

    message.command(1, VfioUser.VERSION, 4).u16(0, 0).u16(2, 1);
    assertThat(VfioUserVersion.readFrom(message))
        .isEqualTo(new VfioUserVersion(0, 1, 1, 1 << 20, 0));
  }

  @Test
  void statusNames() {
    assertThat(Status.name(Status.RESERVATION_CONFLICT)).isEqualTo("Reservation Conflict");
    assertThat(Status.name(0x7ff)).isEqualTo("status 0x7ff");
    assertThat(AdminOpcode.name(0x55)).isEqualTo("0x55");
  }

  private String hex(long offset, long length) {
    return HexFormat.of().formatHex(memory.asSlice(offset, length).toArray(LittleEndian.BYTE));
  }
}
