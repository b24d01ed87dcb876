package io.twinspan.rdma;

import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;

/**
 * The memory of this process that a link may read from, by local key. Lives as long as the link
 * object, over all lives of the link.
 *
 * <p>A local key has 24 bits: 12 for the place in the table, 12 that change whenever it is used
 * again.
 */
public final class ProtectionDomain {
  /** How many regions there may be. */
  public static final int MAX_REGIONS = 4096;

  private static final int SLOT_MASK = MAX_REGIONS - 1;
  private static final int SLOT_BITS = 12;
  private static final int VERSION_MASK = (1 << 12) - 1;

  private final MemorySegment[] segments = new MemorySegment[MAX_REGIONS];
  private final int[] keys = new int[MAX_REGIONS];
  private final int[] versions = new int[MAX_REGIONS];
  private int next;

  ProtectionDomain() {}

  /**
   * Registers memory as a source of sends and writes ({@code ibv_reg_mr} without access flags).
   *
   * @param segment any native memory; it must stay mapped until deregistered
   * @throws TwinspanException if there are {@value #MAX_REGIONS} regions already
   */
  public MemoryRegion register(MemorySegment segment) {
    return new MemoryRegion(this, add(segment), segment);
  }

  int add(MemorySegment segment) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException("heap memory can't be registered: " + segment);
    }
    for (int i = 0; i < MAX_REGIONS; i++) {
      int slot = next + i & SLOT_MASK;
      if (keys[slot] == 0) {
        next = slot + 1;
        versions[slot] = versions[slot] % VERSION_MASK + 1;
        keys[slot] = versions[slot] << SLOT_BITS | slot;
        segments[slot] = segment;
        return keys[slot];
      }
    }
    throw new TwinspanException("all " + MAX_REGIONS + " memory regions are in use");
  }

  void remove(int lkey) {
    int slot = lkey & SLOT_MASK;
    if (keys[slot] == lkey) {
      keys[slot] = 0;
      segments[slot] = MemorySegment.NULL;
    }
  }

  /** Whether a range of a region may be read. */
  boolean covers(int lkey, long offset, long lengthBytes) {
    int slot = lkey & SLOT_MASK;
    if (lkey == 0 || keys[slot] != lkey) {
      return false;
    }
    long size = segments[slot].byteSize();
    return offset >= 0 && lengthBytes >= 0 && offset <= size && lengthBytes <= size - offset;
  }

  /** The memory of a region that {@link #covers} found. */
  MemorySegment segment(int lkey) {
    return segments[lkey & SLOT_MASK];
  }
}
