package io.twinspan.rdma;

import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The memory of this process that a link may read from, by local key, of all its protection
 * domains. Lives as long as the link object, over all lives of the link.
 *
 * <p>A local key has 24 bits: 12 for the place in the table, 12 that change whenever it is used
 * again.
 */
final class LocalKeys {
  /** How many regions there may be. */
  static final int MAX_REGIONS = 4096;

  private static final int SLOT_MASK = MAX_REGIONS - 1;
  private static final int SLOT_BITS = 12;
  private static final int VERSION_MASK = (1 << 12) - 1;

  private final MemorySegment[] segments = new MemorySegment[MAX_REGIONS];
  private final int[] keys = new int[MAX_REGIONS];
  private final int[] versions = new int[MAX_REGIONS];
  private final int[] accesses = new int[MAX_REGIONS];
  private final @Nullable Channel[] channels = new @Nullable Channel[MAX_REGIONS];
  private final int[] rkeys = new int[MAX_REGIONS];
  private final int[] domains = new int[MAX_REGIONS];
  private int next;

  int add(MemorySegment segment, int access, @Nullable Channel channel, int rkey, int domain) {
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
        accesses[slot] = access;
        channels[slot] = channel;
        rkeys[slot] = rkey;
        domains[slot] = domain;
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

  /** To which protection domain a valid region belongs. */
  int domainOf(int lkey) {
    return domains[lkey & SLOT_MASK];
  }

  /** Whether a valid region may be written by this side. */
  boolean isWritable(int lkey) {
    return (accesses[lkey & SLOT_MASK] & Access.LOCAL_WRITE.bit()) != 0;
  }

  /** The remote key of a region that may be written and lies in a channel's window; 0 if not. */
  int windowKey(int lkey, Channel channel) {
    int slot = lkey & SLOT_MASK;
    return channels[slot] == channel && isWritable(lkey) ? rkeys[slot] : 0;
  }

  /** The memory of a region that {@link #covers} found. */
  MemorySegment segment(int lkey) {
    return segments[lkey & SLOT_MASK];
  }
}
