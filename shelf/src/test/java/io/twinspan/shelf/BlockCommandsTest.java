package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.nvme.ErrorLogEntry;
import io.twinspan.nvme.LogPage;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.SmartLog;
import io.twinspan.nvme.Status;
import org.junit.jupiter.api.Test;

class BlockCommandsTest extends TwoPortDrive {
  @Test
  void writtenBlocksAreReadThroughTheOtherPort() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    fill(a, 0, 8192, 7);
    assertThat(a.write(2, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(b.read(2, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(data(b, 0, 8192).mismatch(data(a, 0, 8192))).isEqualTo(-1);
    assertThat(b.read(1, 5, 2, 0)).isEqualTo(Status.SUCCESS);
    assertThat(data(b, 0, 8192).mismatch(data(a, 0, 8192))).isZero();
  }

  @Test
  void rangesOutsideOfTheNamespaceAreRefused() {
    a.enable().createQueues(1, 16);
    assertThat(a.read(1, BLOCKS - 1, 2, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, -1, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, Long.MIN_VALUE, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.write(1, BLOCKS, 1, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, 0, 257, 0)).isEqualTo(Status.INVALID_FIELD);
    assertThat(a.read(3, 0, 1, 0)).isEqualTo(Status.INVALID_NAMESPACE);
    assertThat(a.run(1, Host.command(0x7f).nsid(1)).status()).isEqualTo(Status.INVALID_OPCODE);
    assertThat(a.run(1, Host.command(NvmOpcode.READ | 0x4000_0000).nsid(1)).status())
        .isNotEqualTo(Status.SUCCESS);
  }

  @Test
  void hostErrorsBecomeTheirStatus() {
    a.enable().createQueues(1, 16);
    medium1.nextError = -Errno.ENOSPC;
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.CAPACITY_EXCEEDED);
    medium1.nextError = -Errno.EIO;
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.WRITE_FAULT);
    medium1.nextError = -Errno.EIO;
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.read(1, 0, 1, 0)).isEqualTo(Status.SUCCESS);
    log(a, LogPage.SMART, 512);
    assertThat(new SmartLog().wrap(a.memory, Host.DATA).mediaErrors()).isEqualTo(2);
    log(a, LogPage.ERROR, 64);
    ErrorLogEntry newest = new ErrorLogEntry().wrap(a.memory, Host.DATA);
    assertThat(newest.errorCount()).isEqualTo(3);
    assertThat(newest.status()).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(newest.sqId()).isOne();
  }

  @Test
  void writeZeroesZeroes() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 9);
    assertThat(a.write(1, 0, 2, 0)).isZero();
    assertThat(a.run(1, Host.command(NvmOpcode.WRITE_ZEROES).nsid(1).blocks(1, 1, 0)).status())
        .isZero();
    assertThat(a.read(1, 0, 2, 0)).isZero();
    assertThat(data(a, 4096, 4096).mismatch(medium2.bytes.asSlice(0, 4096))).isEqualTo(-1);
    assertThat(data(a, 0, 4096).get(Host.LONG, 0)).isNotZero();
  }

  @Test
  void comparesBlocksWithMemory() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 1);
    assertThat(a.write(1, 3, 2, 0)).isZero();
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isZero();
    a.memory.set(Host.LONG, Host.DATA + 8184, 0);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isEqualTo(Status.COMPARE_FAILURE);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, BLOCKS - 1, 2, 0))
        .isEqualTo(Status.LBA_OUT_OF_RANGE);
    medium1.nextError = -Errno.EIO;
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 3, 2, 0)).isEqualTo(Status.UNRECOVERED_READ);
  }

  @Test
  void verifyReadsEveryBlock() {
    a.enable().createQueues(1, 16);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 0, BLOCKS, 0)).isZero();
    medium1.nextError = -Errno.EIO;
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 0, BLOCKS, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 1, BLOCKS, 0)).isEqualTo(Status.LBA_OUT_OF_RANGE);
  }

  @Test
  void uncorrectableBlocksFailUntilTheyAreWritten() {
    a.enable().createQueues(1, 16);
    assertThat(a.transfer(NvmOpcode.WRITE_UNCORRECTABLE, 1, 10, 3, 0)).isZero();
    assertThat(a.read(1, 9, 1, 0)).isZero();
    assertThat(a.read(1, 9, 2, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.VERIFY, 1, 12, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.COMPARE, 1, 12, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.read(2, 10, 1, 0)).isZero();
    assertThat(a.write(1, 11, 1, 0)).isZero();
    assertThat(a.read(1, 11, 1, 0)).isZero();
    assertThat(a.read(1, 10, 1, 0)).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(a.transfer(NvmOpcode.WRITE_ZEROES, 1, 12, 1, 0)).isZero();
    assertThat(a.read(1, 12, 1, 0)).isZero();
    assertThat(deallocate(a, 1, new long[][] {{10, 1}})).isZero();
    assertThat(a.read(1, 10, 1, 0)).isZero();
  }

  @Test
  void deallocatedBlocksReadAsZeroesAndABadRangeChangesNothing() {
    a.enable().createQueues(1, 16);
    fill(a, 0, 8192, 1);
    assertThat(a.write(1, 3, 2, 0)).isZero();
    assertThat(deallocate(a, 1, new long[][] {{3, 1}, {BLOCKS - 1, 2}}))
        .isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(deallocate(a, 1, new long[][] {{3, 1}, {-1, 1}})).isEqualTo(Status.LBA_OUT_OF_RANGE);
    assertThat(a.read(1, 3, 1, 0)).isZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA)).isNotZero();
    assertThat(deallocate(a, 1, new long[][] {{0, 0}, {4, 1}, {100, 20}})).isZero();
    assertThat(a.read(1, 3, 2, 0)).isZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA)).isNotZero();
    assertThat(a.memory.get(Host.LONG, Host.DATA + 4096)).isZero();
  }
}
