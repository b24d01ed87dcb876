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

  private final MemorySegment segment;
  private final DmaRegion region;
  private final Runnable free;
  private final long cqOffset;
  private final long commandsOffset;
  private final int commandBytes;

  /** Memory of this process, which a device is shown. */
  QueueMemory(QueueDevice device, int entries, int depth, int maxTransferBytes) {
    cqOffset = sqBytes(entries);
    commandsOffset = cqOffset + cqBytes(entries);
    commandBytes = commandBytes(maxTransferBytes);
    DmaMemory memory =
        DmaMemory.allocate("nvme-queue", commandsOffset + (long) depth * commandBytes);
    segment = memory.segment();
    free = memory::close;
    try {
      region = device.map(memory.memfd(), 0, memory.lengthBytes());
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  /**
   * Memory that somebody else laid out like this.
   *
   * @param commandsIova where the device finds the pages of the commands
   * @param free gives everything back
   */
  QueueMemory(
      MemorySegment segment, long commandsIova, int entries, int maxTransferBytes, Runnable free) {
    this.segment = segment;
    this.free = free;
    cqOffset = sqBytes(entries);
    commandsOffset = cqOffset + cqBytes(entries);
    commandBytes = commandBytes(maxTransferBytes);
    region = new DmaRegion(commandsIova - commandsOffset, segment.byteSize());
  }

  static long sqBytes(int entries) {
    return pages((long) entries * SubmissionEntry.BYTES);
  }

  static long cqBytes(int entries) {
    return pages((long) entries * CompletionEntry.BYTES);
  }

  /** The bytes of one command's pages. */
  static int commandBytes(int maxTransferBytes) {
    int listBytes = Prp.listBytes(maxTransferBytes);
    return (listBytes <= SMALL_BYTES ? 0 : listBytes) + Prp.PAGE_BYTES;
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
    free.run();
  }

  private static long pages(long bytes) {
    return (bytes + Prp.PAGE_BYTES - 1) & -Prp.PAGE_BYTES;
  }
}
