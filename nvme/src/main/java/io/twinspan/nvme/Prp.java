package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.LONG;

import java.lang.foreign.MemorySegment;

/**
 * Physical region pages: how a command names its data (NVM Express 1.4, section 4.3).
 *
 * <p>PRP1 is the address of the first byte. PRP2 is 0 if the data ends in the same page, the
 * address of the second page if it ends there, else the address of a list of all pages but the
 * first. A list that is longer than its page goes on in the next one, which the last entry of the
 * page names. Data contiguous in DMA addresses only.
 */
final class Prp {
  /** The driver's memory page: CC.MPS = 0. */
  static final int PAGE_BYTES = 4096;

  /** Longest transfer of a command. */
  static final int MAX_TRANSFER_BYTES = 4 << 20;

  private static final int ENTRIES_PER_PAGE = PAGE_BYTES / Long.BYTES;

  private Prp() {}

  /**
   * {@return the room in bytes for the list of a transfer at the worst offset: within a page up to
   * half of one, else whole pages}
   *
   * @param transferBytes longest transfer, a multiple of 4096
   */
  static int listBytes(int transferBytes) {
    int entries = transferBytes / PAGE_BYTES;
    if (entries <= ENTRIES_PER_PAGE / 2) {
      return entries * Long.BYTES;
    }
    int linked = ENTRIES_PER_PAGE - 1;
    return Math.max(1, (entries - 2) / linked + 1) * PAGE_BYTES;
  }

  /**
   * Returns PRP2, and writes the list if one is needed.
   *
   * @param iova DMA address of the first byte, which is PRP1; a multiple of 4
   * @param lengthBytes 1 to {@link #MAX_TRANSFER_BYTES}
   * @param list where the list goes
   * @param listOffset offset there, at least {@link #listBytes} bytes
   * @param listIova DMA address of the list: of a page if the list is longer than half of one
   */
  static long second(
      long iova, int lengthBytes, MemorySegment list, long listOffset, long listIova) {
    int inFirst = PAGE_BYTES - (int) (iova & (PAGE_BYTES - 1));
    if (lengthBytes <= inFirst) {
      return 0;
    }
    long page = iova + inFirst;
    if (lengthBytes <= inFirst + PAGE_BYTES) {
      return page;
    }
    int left = (lengthBytes - inFirst + PAGE_BYTES - 1) / PAGE_BYTES;
    long at = 0;
    while (left > 0) {
      boolean last = ((listIova + at) & (PAGE_BYTES - 1)) == PAGE_BYTES - Long.BYTES;
      if (last && left > 1) {
        list.set(LONG, listOffset + at, listIova + at + Long.BYTES);
      } else {
        list.set(LONG, listOffset + at, page);
        page += PAGE_BYTES;
        left--;
      }
      at += Long.BYTES;
    }
    return listIova;
  }

  /**
   * Returns PRP2 for pages anywhere, and writes the list if one is needed.
   *
   * @param pages DMA addresses of all pages but the first
   * @param count how many
   * @param list where the list goes
   * @param listOffset offset there
   * @param listIova DMA address of the list: of a page if the list is longer than half of one
   */
  static long second(long[] pages, int count, MemorySegment list, long listOffset, long listIova) {
    if (count < 2) {
      return count == 0 ? 0 : pages[0];
    }
    long at = 0;
    for (int i = 0; i < count; i++) {
      boolean last = ((listIova + at) & (PAGE_BYTES - 1)) == PAGE_BYTES - Long.BYTES;
      if (last && i < count - 1) {
        list.set(LONG, listOffset + at, listIova + at + Long.BYTES);
        at += Long.BYTES;
      }
      list.set(LONG, listOffset + at, pages[i]);
      at += Long.BYTES;
    }
    return listIova;
  }
}
