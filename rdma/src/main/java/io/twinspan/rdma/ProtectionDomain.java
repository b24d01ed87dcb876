package io.twinspan.rdma;

import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;

/**
 * What memory regions and queue pairs have to do with each other ({@code ibv_pd}): a queue pair
 * reaches the regions of its own domain at this side, and those of its partner's domain at the
 * other; to all others its keys are no keys. Lives as long as the link object, over all lives of
 * the link; for the link's thread.
 */
public final class ProtectionDomain {
  /** How many regions there may be in all domains of a link. */
  public static final int MAX_REGIONS = LocalKeys.MAX_REGIONS;

  private final LocalKeys keys;
  private final int number;

  ProtectionDomain(LocalKeys keys, int number) {
    this.keys = keys;
    this.number = number;
  }

  /** Its number among those of the link; the first one is 0. */
  public int number() {
    return number;
  }

  /**
   * Registers memory as a source of sends and writes ({@code ibv_reg_mr}).
   *
   * @param segment any native memory; it must stay mapped until deregistered
   * @param access {@link Access#LOCAL_WRITE} if it takes results of atomics too; what lies outside
   *     of a window can grant the peer nothing
   * @throws TwinspanException if there are {@value #MAX_REGIONS} regions already
   */
  public MemoryRegion register(MemorySegment segment, Access... access) {
    int lkey = keys.add(segment, Access.bits(access), null, 0, number);
    return new MemoryRegion(this, lkey, segment);
  }

  int add(MemorySegment segment, int access, Channel channel, int rkey) {
    return keys.add(segment, access, channel, rkey, number);
  }

  void remove(int lkey) {
    keys.remove(lkey);
  }

  /** Whether it is one of the link with these keys. */
  boolean isOf(LocalKeys others) {
    return keys == others;
  }

  /** Whether a range of a region of this domain may be read. */
  boolean covers(int lkey, long offset, long lengthBytes) {
    return keys.covers(lkey, offset, lengthBytes) && keys.domainOf(lkey) == number;
  }

  /** Whether a valid region may be written by this side. */
  boolean isWritable(int lkey) {
    return keys.isWritable(lkey);
  }

  /** The remote key of a region that may be written and lies in a channel's window; 0 if not. */
  int windowKey(int lkey, Channel channel) {
    return keys.windowKey(lkey, channel);
  }

  /** The memory of a region that {@link #covers} found. */
  MemorySegment segment(int lkey) {
    return keys.segment(lkey);
  }
}
