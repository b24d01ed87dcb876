package io.twinspan.shelf;

import io.twinspan.nvme.DatasetRange;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The commands of one controller that look after blocks rather than move them: Dataset Management,
 * Compare, Verify, Write Uncorrectable (NVM Express 1.4, sections 6.6, 6.7, 6.14 and 6.17). The
 * agent thread's; allocates nothing.
 */
final class BlockCommands {
  private static final int SCRATCH_BYTES = 64 << 10;

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final DataPointer data;
  private final MemorySegment scratch = Arena.ofAuto().allocate(SCRATCH_BYTES, 4096);
  private final MemorySegment ranges =
      Arena.ofAuto().allocate(DatasetRange.MAX * DatasetRange.BYTES, 8);

  BlockCommands(NvmeController controller, Subsystem subsystem, DataPointer data) {
    this.controller = controller;
    this.subsystem = subsystem;
    this.data = data;
  }

  /** Runs one of the four; returns its status, or {@link NvmeController#DEFERRED}. */
  int execute(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    int opcode = command.opcode();
    boolean reads = opcode == NvmOpcode.COMPARE || opcode == NvmOpcode.VERIFY;
    if (!namespace.reservations().permits(controller.host(), !reads)) {
      return Status.RESERVATION_CONFLICT;
    }
    if (opcode == NvmOpcode.DATASET_MANAGEMENT) {
      return datasetManagement(command, queue, namespace);
    }
    int blocks = command.blockCount();
    if (!namespace.contains(command.lba(), blocks)) {
      return Status.LBA_OUT_OF_RANGE;
    }
    if (opcode == NvmOpcode.WRITE_UNCORRECTABLE) {
      boolean room = namespace.uncorrectable().add(command.lba(), blocks);
      return room ? subsystem.saveState(controller, queue, command) : Status.INTERNAL_ERROR;
    }
    if (namespace.uncorrectable().overlaps(command.lba(), blocks)) {
      return Status.UNRECOVERED_READ;
    }
    subsystem.health().reads++;
    return opcode == NvmOpcode.VERIFY
        ? verify(command, namespace.medium())
        : compare(command, namespace.medium());
  }

  /** Nothing is changed before all ranges have been looked at. */
  private int datasetManagement(
      SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    int count = (command.cdw(10) & 0xff) + 1;
    int status = data.resolve(command, count * DatasetRange.BYTES, false);
    if (status != Status.SUCCESS) {
      return status;
    }
    data.copyTo(ranges);
    for (int i = 0; i < count; i++) {
      long lba = DatasetRange.lba(ranges, i);
      if (!queue.domain().mayChange(namespace.nsid(), lba, DatasetRange.blocks(ranges, i))) {
        return Status.ACCESS_DENIED;
      }
      if (lba < 0 || lba > namespace.blocks() - DatasetRange.blocks(ranges, i)) {
        return Status.LBA_OUT_OF_RANGE;
      }
    }
    boolean deallocate = (command.cdw(11) & DatasetRange.DEALLOCATE) != 0;
    for (int i = 0; i < count && deallocate; i++) {
      long lba = DatasetRange.lba(ranges, i);
      long blocks = DatasetRange.blocks(ranges, i);
      namespace.flushes().written();
      int result =
          blocks == 0
              ? 0
              : namespace
                  .medium()
                  .zero(lba << Namespace.BLOCK_SHIFT, blocks << Namespace.BLOCK_SHIFT);
      if (result != 0) {
        return Media.writeStatus(result);
      }
      namespace.uncorrectable().remove(lba, blocks);
    }
    return Status.SUCCESS;
  }

  private int verify(SubmissionEntry command, Medium medium) {
    long position = command.lba() << Namespace.BLOCK_SHIFT;
    long end = position + ((long) command.blockCount() << Namespace.BLOCK_SHIFT);
    while (position < end) {
      long length = Math.min(SCRATCH_BYTES, end - position);
      int result = medium.read(position, scratch, 0, length);
      if (result != 0) {
        return Media.readStatus(result);
      }
      position += length;
    }
    return Status.SUCCESS;
  }

  private int compare(SubmissionEntry command, Medium medium) {
    if (command.blockCount() > DataPointer.MAX_BYTES >>> Namespace.BLOCK_SHIFT) {
      return Status.INVALID_FIELD;
    }
    int status = data.resolve(command, command.blockCount() << Namespace.BLOCK_SHIFT, false);
    if (status != Status.SUCCESS) {
      return status;
    }
    long position = command.lba() << Namespace.BLOCK_SHIFT;
    for (int i = 0; i < data.count(); i++) {
      long offset = data.offset(i);
      long end = offset + data.length(i);
      while (offset < end) {
        long length = Math.min(SCRATCH_BYTES, end - offset);
        int result = medium.read(position, scratch, 0, length);
        if (result != 0) {
          return Media.readStatus(result);
        }
        if (MemorySegment.mismatch(scratch, 0, length, data.segment(i), offset, offset + length)
            >= 0) {
          return Status.COMPARE_FAILURE;
        }
        position += length;
        offset += length;
      }
    }
    return Status.SUCCESS;
  }
}
