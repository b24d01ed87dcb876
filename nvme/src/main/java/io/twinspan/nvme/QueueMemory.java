package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;

/**
 * The memory that a queue pair shares with the drive: submission queue, completion queue (each a
 * multiple of 4 KiB), then for each command identifier a page, half for its PRP list and half for
 * small data such as reservation keys, or all of it for the ranges of Dataset Management. Where
 * transfers are longer than 1 MiB, pages for their lists come before that page.
 */
final class QueueMemory implements AutoCloseable {
  /** Room for small data in bytes. */
  static final int SMALL_BYTES = Prp.PAGE_BYTES / 2;

  private final DmaMemory memory;
  private final MemorySegment segment;
  private final DmaRegion region;
  private final long cqOffset;
  private final long commandsOffset;
  private final int commandBytes;

  QueueMemory(PciDevice device, int entries, int depth, int maxTransferBytes) {
    int listBytes = Prp.listBytes(maxTransferBytes);
    int listPages = listBytes <= SMALL_BYTES ? 0 : listBytes;
    commandBytes = listPages + Prp.PAGE_BYTES;
    cqOffset = pages((long) entries * SubmissionEntry.BYTES);
    commandsOffset = cqOffset + pages((long) entries * CompletionEntry.BYTES);
    memory = DmaMemory.allocate("nvme-queue", commandsOffset + (long) depth * commandBytes);
    segment = memory.segment();
    try {
      region = device.map(memory.memfd(), 0, memory.lengthBytes());
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  MemorySegment segment() {
    return segment;
  }

  DmaRegion region() {
    return region;
  }

  /** The DMA address of an offset in {@link #segment}. */
  long iova(long offset) {
    return region.iova() + offset;
  }

  long cqOffset() {
    return cqOffset;
  }

  /** Where a command's PRP list lies. */
  long listOffset(int cid) {
    return commandsOffset + (long) cid * commandBytes;
  }

  /** Where a command's page lies; if its list lies there too, only one of both is used. */
  long pageOffset(int cid) {
    return listOffset(cid) + commandBytes - Prp.PAGE_BYTES;
  }

  /** Where a command's small data lies, {@link #SMALL_BYTES} bytes. */
  long smallOffset(int cid) {
    return pageOffset(cid) + Prp.PAGE_BYTES - SMALL_BYTES;
  }

  @Override
  public void close() {
    memory.close();
  }

  private static long pages(long bytes) {
    return (bytes + Prp.PAGE_BYTES - 1) & -Prp.PAGE_BYTES;
  }
}
