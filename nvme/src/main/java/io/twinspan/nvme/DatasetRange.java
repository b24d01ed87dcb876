package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;

import java.lang.foreign.MemorySegment;

/**
 * The ranges of Dataset Management (NVM Express 1.4, section 6.7), 16 bytes each: context
 * attributes (4 bytes), length in blocks (4), first block (8).
 */
public final class DatasetRange {
  /** Size of a range. */
  public static final int BYTES = 16;

  /** Most ranges of a command. */
  public static final int MAX = 256;

  /** CDW11, AD: the drive may deallocate the ranges. */
  public static final int DEALLOCATE = 1 << 2;

  private static final long LENGTH_OFFSET = 4;
  private static final long LBA_OFFSET = 8;

  private DatasetRange() {}

  /**
   * Writes a range.
   *
   * @param ranges where ranges lie one after the other
   * @param index which one, from 0
   * @param lba first block
   * @param blocks number of blocks, unsigned
   */
  public static void set(MemorySegment ranges, int index, long lba, int blocks) {
    long at = (long) index * BYTES;
    ranges.set(ANY_INT, at, 0);
    ranges.set(ANY_INT, at + LENGTH_OFFSET, blocks);
    ranges.set(ANY_LONG, at + LBA_OFFSET, lba);
  }

  /**
   * {@return the first block of a range}
   *
   * @param ranges where ranges lie
   * @param index which one
   */
  public static long lba(MemorySegment ranges, int index) {
    return ranges.get(ANY_LONG, (long) index * BYTES + LBA_OFFSET);
  }

  /**
   * {@return the number of blocks of a range, 0 to 4294967295}
   *
   * @param ranges where ranges lie
   * @param index which one
   */
  public static long blocks(MemorySegment ranges, int index) {
    return ranges.get(ANY_INT, (long) index * BYTES + LENGTH_OFFSET) & 0xffff_ffffL;
  }
}
