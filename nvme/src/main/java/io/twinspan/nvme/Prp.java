package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.LONG;

import java.lang.foreign.MemorySegment;

/**
 * Physical region pages: how a command names its data (NVM Express 1.4, section 4.3).
 *
 * <p>PRP1 is the address of the first byte. PRP2 is 0 if the data ends in the same page, the
 * address of the second page if it ends there, else the address of a list of all pages but the
 * first. Data contiguous in DMA addresses only.
 */
final class Prp {
  /** The driver's memory page: CC.MPS = 0. */
  static final int PAGE_BYTES = 4096;

  /** Longest transfer of a command. */
  static final int MAX_TRANSFER_BYTES = 1 << 20;

  /**
   * Room for the list of the longest transfer at the worst offset: 256 entries. It never crosses a
   * page.
   */
  static final int LIST_BYTES = MAX_TRANSFER_BYTES / PAGE_BYTES * 8;

  private Prp() {}

  /**
   * Returns PRP2, and writes the list if one is needed.
   *
   * @param iova DMA address of the first byte, which is PRP1; a multiple of 4
   * @param lengthBytes 1 to {@link #MAX_TRANSFER_BYTES}
   * @param list where the list goes
   * @param listOffset offset there, {@link #LIST_BYTES} bytes within a page
   * @param listIova DMA address of the list
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
    int count = (lengthBytes - inFirst + PAGE_BYTES - 1) / PAGE_BYTES;
    for (int i = 0; i < count; i++) {
      list.set(LONG, listOffset + 8L * i, page + (long) PAGE_BYTES * i);
    }
    return listIova;
  }
}
