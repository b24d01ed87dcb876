package io.twinspan.rdma;

/**
 * What the peer shows of one of its regions, by its place in the channel's table: how a side learns
 * keys without a message. All of it is loaded from this side's own memory and is cheap.
 */
public final class RemoteRegion {
  private final RegionTable table;
  private final int slot;

  RemoteRegion(RegionTable table, int slot) {
    this.table = table;
    this.slot = slot;
  }

  /** Whether there is a region now: one load with acquire. False while the link is down. */
  public boolean isValid() {
    return table.rkey(slot) != 0;
  }

  /** Its remote key, for {@link WorkRequest#write}; 0 if there is none. */
  public int rkey() {
    return table.rkey(slot);
  }

  /** Its size in bytes as the peer says it; 0 if there is none. */
  public long lengthBytes() {
    return table.lengthBytes(slot);
  }
}
