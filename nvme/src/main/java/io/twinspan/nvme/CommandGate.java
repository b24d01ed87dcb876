package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;

/**
 * Through which every I/O command of another process goes on its way to the drive. Each field is
 * checked; what the drive gets is built anew from those that are known, so that it never sees
 * anything that was not checked. Lists of pages and ranges are copied first, so that they stay as
 * they were checked. Allocates nothing; for one thread.
 */
final class CommandGate {
  private static final int ATTRIBUTES = 0x7;
  private static final int LIMITED_RETRY = 1 << 31;

  private static final int TRANSFER_CONTROL = SubmissionEntry.FORCE_UNIT_ACCESS | LIMITED_RETRY;
  private static final int PROTECTION = 0xf << 26;

  /** PRPs begin at dwords, also where the drive takes SGLs that need not. */
  private static final int PRP_ALIGNMENT_MASK = 3;

  private final QueueOwner drive;
  private final NamespaceRange range;
  private final long[] pages = new long[Prp.MAX_TRANSFER_BYTES / Prp.PAGE_BYTES + 1];
  private final MemorySegment ranges =
      MemorySegment.ofArray(new byte[DatasetRange.MAX * DatasetRange.BYTES]);

  /** What the command's data takes after {@link #check}. */
  private int bytes;

  private int pageCount;

  /**
   * A gate to a drive.
   *
   * @param range the blocks that may pass
   */
  CommandGate(QueueOwner drive, NamespaceRange range) {
    this.drive = drive;
    this.range = range;
  }

  /**
   * Checks a command; if it may pass, {@link #send} is to follow at once.
   *
   * @param command a private copy
   * @param memory of the process that sent it
   * @return {@link Status#SUCCESS}, or the status to answer with
   */
  int check(SubmissionEntry command, ForeignMemory memory) {
    bytes = 0;
    pageCount = 0;
    if (command.flags() != 0) {
      return Status.INVALID_FIELD; // fused, or with SGLs, which were not offered
    }
    int nsid = command.nsid();
    if (drive.limits(nsid).blockShift() == 0) {
      return Status.INVALID_NAMESPACE;
    }
    return switch (command.opcode()) {
      case NvmOpcode.FLUSH ->
          range.touches(nsid) && range.writable() ? Status.SUCCESS : Status.ACCESS_DENIED;
      case NvmOpcode.READ, NvmOpcode.COMPARE, NvmOpcode.VERIFY ->
          checkBlocks(command, memory, false);
      case NvmOpcode.WRITE, NvmOpcode.WRITE_ZEROES, NvmOpcode.WRITE_UNCORRECTABLE ->
          checkBlocks(command, memory, true);
      case NvmOpcode.DATASET_MANAGEMENT -> checkRanges(command, memory);
      default -> Status.INVALID_OPCODE; // reservations belong to the host, which is the broker
    };
  }

  /** Builds the command that was checked in the drive's queue; the engine is to be rung. */
  void send(SubmissionEntry command, QueueEngine<?> engine, int cid) {
    int opcode = command.opcode();
    SubmissionEntry entry = engine.entry(opcode, cid, command.nsid());
    if (opcode == NvmOpcode.DATASET_MANAGEMENT) {
      long page = engine.memory().pageOffset(cid);
      MemorySegment.copy(ranges, 0, engine.memory().segment(), page, bytes);
      entry.prp(engine.memory().iova(page), 0);
      entry.cdw(10, command.cdw(10) & 0xff).cdw(11, command.cdw(11) & ATTRIBUTES);
    } else if (opcode != NvmOpcode.FLUSH) {
      entry.blocks(command.lba(), command.blockCount(), control(command));
      if (bytes > 0) {
        long list = engine.memory().listOffset(cid);
        long listIova = engine.memory().iova(list);
        entry.prp(
            command.prp1(),
            Prp.second(pages, pageCount, engine.memory().segment(), list, listIova));
      }
    }
  }

  /** Bytes of data of the command that was checked. */
  int bytes() {
    return bytes;
  }

  private int checkBlocks(SubmissionEntry command, ForeignMemory memory, boolean changes) {
    int count = command.blockCount();
    if (!range.contains(command.nsid(), command.lba(), count) || (changes && !range.writable())) {
      return Status.ACCESS_DENIED;
    }
    if ((command.cdw(12) & PROTECTION) != 0) {
      return Status.INVALID_FIELD;
    }
    boolean transfers =
        switch (command.opcode()) {
          case NvmOpcode.READ, NvmOpcode.WRITE, NvmOpcode.COMPARE -> true;
          default -> false;
        };
    if (!transfers) {
      return Status.SUCCESS;
    }
    long length = (long) count << drive.limits(command.nsid()).blockShift();
    if (length > drive.maxTransferBytes()) {
      return Status.INVALID_FIELD;
    }
    bytes = (int) length;
    return checkPages(command, memory);
  }

  /** Reads the list of pages, once, and checks that all of them belong to the process. */
  private int checkPages(SubmissionEntry command, ForeignMemory memory) {
    long first = command.prp1();
    int inFirst = (int) Math.min(bytes, Prp.PAGE_BYTES - (first & (Prp.PAGE_BYTES - 1)));
    if ((first & PRP_ALIGNMENT_MASK) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    if (!memory.contains(first, inFirst)) {
      return Status.DATA_TRANSFER_ERROR;
    }
    int left = (bytes - inFirst + Prp.PAGE_BYTES - 1) / Prp.PAGE_BYTES;
    long second = command.prp2();
    if (left == 1) {
      return addPage(second, memory);
    }
    return left == 0 ? Status.SUCCESS : readList(second, left, memory);
  }

  private int readList(long list, int count, ForeignMemory memory) {
    long at = list;
    int left = count;
    if ((at & (Long.BYTES - 1)) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    while (left > 0) {
      if (!memory.contains(at, Long.BYTES)) {
        return Status.DATA_TRANSFER_ERROR;
      }
      long entry = memory.getLong(at);
      boolean lastOfPage = (at & (Prp.PAGE_BYTES - 1)) == Prp.PAGE_BYTES - Long.BYTES;
      if (lastOfPage && left > 1) {
        if ((entry & (Prp.PAGE_BYTES - 1)) != 0) {
          return Status.INVALID_PRP_OFFSET; // also keeps a chain from never ending
        }
        at = entry;
        continue;
      }
      int status = addPage(entry, memory);
      if (status != Status.SUCCESS) {
        return status;
      }
      at += Long.BYTES;
      left--;
    }
    return Status.SUCCESS;
  }

  private int addPage(long page, ForeignMemory memory) {
    if ((page & (Prp.PAGE_BYTES - 1)) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    if (!memory.contains(page, Prp.PAGE_BYTES)) {
      return Status.DATA_TRANSFER_ERROR;
    }
    pages[pageCount++] = page;
    return Status.SUCCESS;
  }

  private int checkRanges(SubmissionEntry command, ForeignMemory memory) {
    int count = (command.cdw(10) & 0xff) + 1;
    bytes = count * DatasetRange.BYTES;
    int status = checkPages(command, memory);
    if (status != Status.SUCCESS) {
      return status;
    }
    long inFirst = Math.min(bytes, Prp.PAGE_BYTES - (command.prp1() & (Prp.PAGE_BYTES - 1)));
    memory.copy(command.prp1(), inFirst, ranges, 0);
    if (inFirst < bytes) {
      memory.copy(pages[0], bytes - inFirst, ranges, inFirst);
    }
    for (int i = 0; i < count; i++) {
      long lba = DatasetRange.lba(ranges, i);
      long blocks = DatasetRange.blocks(ranges, i);
      if (!range.writable() || !range.contains(command.nsid(), lba, blocks)) {
        return Status.ACCESS_DENIED;
      }
    }
    return Status.SUCCESS;
  }

  private static int control(SubmissionEntry command) {
    int allowed =
        command.opcode() == NvmOpcode.WRITE_ZEROES
            ? TRANSFER_CONTROL | SubmissionEntry.DEALLOCATE
            : TRANSFER_CONTROL;
    return command.cdw(12) & allowed;
  }
}
