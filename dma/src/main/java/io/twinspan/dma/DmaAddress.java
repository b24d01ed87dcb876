package io.twinspan.dma;

/**
 * An address as descriptors carry it: a region's handle and an offset in that region.
 *
 * <pre>
 *  63                    40 39                                      0
 * +------------------------+-----------------------------------------+
 * |     handle (24)        |               offset (40)               |
 * +------------------------+-----------------------------------------+
 * </pre>
 *
 * <p>Never a raw pointer: whoever resolves it checks the handle, the rights and the bounds.
 */
public final class DmaAddress {
  /** How many bits of an address are the offset, so that a region may have up to 1 TiB. */
  public static final int OFFSET_BITS = 40;

  /** The greatest handle. */
  public static final int MAX_HANDLE = (1 << (Long.SIZE - OFFSET_BITS)) - 1;

  /** The greatest offset. */
  public static final long MAX_OFFSET = (1L << OFFSET_BITS) - 1;

  private DmaAddress() {}

  /**
   * Puts an address together.
   *
   * @param handle from 0 to {@link #MAX_HANDLE}
   * @param offset in bytes, from 0 to {@link #MAX_OFFSET}
   */
  public static long of(int handle, long offset) {
    if (handle < 0 || handle > MAX_HANDLE || offset < 0 || offset > MAX_OFFSET) {
      throw new IllegalArgumentException("handle " + handle + ", offset " + offset);
    }
    return (long) handle << OFFSET_BITS | offset;
  }

  /** The handle in an address. */
  public static int handle(long address) {
    return (int) (address >>> OFFSET_BITS);
  }

  /** The offset in an address, in bytes. */
  public static long offset(long address) {
    return address & MAX_OFFSET;
  }
}
