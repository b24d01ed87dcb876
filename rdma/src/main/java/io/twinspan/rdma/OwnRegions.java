package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * This side's segment of a channel, what was taken of it, and the regions registered in it, of
 * which the peer has a table in its control block. The link's thread only.
 */
final class OwnRegions {
  private static final int SLOTS = ChannelLayout.REGIONS;
  private static final long PAGE_BYTES = 4096;

  private final Channel channel;
  private final MemorySegment segment;
  private final @Nullable MemoryRegion[] regions = new @Nullable MemoryRegion[SLOTS];
  private final int[] versions = new int[SLOTS];
  private long allocated;

  /** A region whose right was taken back, while what came before is looked at. */
  private @Nullable MemoryRegion closing;

  OwnRegions(Channel channel, MemorySegment segment) {
    this.channel = channel;
    this.segment = segment;
  }

  MemorySegment segment() {
    return segment;
  }

  /** How many bytes of the segment were taken. */
  long allocated() {
    return allocated;
  }

  /** See {@link Channel#allocate}. */
  MemorySegment allocate(long lengthBytes) {
    long length = (lengthBytes + PAGE_BYTES - 1) & -PAGE_BYTES;
    long left = segment.byteSize() - allocated;
    if (lengthBytes <= 0 || length > left) {
      throw new TwinspanException(
          "channel %s has %d of %d bytes left, not %d; give it more in the channel plan"
              .formatted(channel.spec().name(), left, segment.byteSize(), length));
    }
    MemorySegment part = segment.asSlice(allocated, lengthBytes);
    allocated += length;
    return part;
  }

  /**
   * See {@link Channel#register(ProtectionDomain, int, MemorySegment, Access...)}; the channel is
   * up.
   *
   * @param generation of the link's life
   */
  MemoryRegion register(
      ProtectionDomain domain, int slot, MemorySegment part, long generation, Access... access) {
    if (regions[slot] != null) {
      throw new TwinspanException(
          "channel %s can't register slot %d: the slot is in use"
              .formatted(channel.spec().name(), slot));
    }
    long offset = part.address() - segment.address();
    if (offset < 0 || offset > segment.byteSize() - part.byteSize()) {
      throw new IllegalArgumentException(
          part + " is not in the segment of " + channel.spec().name());
    }
    versions[slot] = versions[slot] % RegionTable.VERSION_MASK + 1;
    int rkey = versions[slot] << RegionTable.VERSION_SHIFT | slot;
    int bits = Access.bits(access);
    int lkey = domain.add(part, bits, channel, rkey);
    MemoryRegion region = new MemoryRegion(domain, lkey, part, channel, slot, rkey, bits);
    regions[slot] = region;
    MemorySegment peer = channel.remoteControl();
    long entry = ChannelLayout.region(slot);
    peer.set(JAVA_LONG, entry + ChannelLayout.REGION_OFFSET, offset);
    peer.set(JAVA_LONG, entry + ChannelLayout.REGION_LENGTH, part.byteSize());
    long rights = RegionTable.rights(bits, domain.number());
    peer.set(JAVA_LONG, entry + ChannelLayout.REGION_ACCESS, rights);
    SharedMemory.setLongRelease(
        peer, entry + ChannelLayout.REGION_KEY, RegionTable.keyWord(generation, rkey));
    return region;
  }

  /** The region in a slot. */
  @Nullable MemoryRegion at(int slot) {
    return regions[slot];
  }

  /** The region of a key. */
  @Nullable MemoryRegion of(int rkey) {
    int slot = rkey & RegionTable.SLOT_MASK;
    MemoryRegion region = slot < SLOTS ? regions[slot] : null;
    return region != null && region.rkey() == rkey ? region : null;
  }

  /** The region of a key, if the peer may do this with that range of it. */
  @Nullable MemoryRegion granted(
      ProtectionDomain to, int rkey, long offset, long lengthBytes, Access purpose) {
    MemoryRegion region = of(rkey);
    return region != null && region.grants(to, offset, lengthBytes, purpose) ? region : null;
  }

  /**
   * The region of a key, if the peer may have written this range of it; also while it is being
   * taken back, when what came before is looked at.
   */
  @Nullable MemoryRegion landed(ProtectionDomain to, int rkey, long offset, long lengthBytes) {
    MemoryRegion leaving = closing;
    MemoryRegion region = leaving != null && leaving.rkey() == rkey ? leaving : of(rkey);
    boolean granted = region != null && region.grants(to, offset, lengthBytes, Access.REMOTE_WRITE);
    return granted ? region : null;
  }

  /**
   * Takes the right to a region back, where the peer looks for it; its memory stays usable until
   * {@link #left} for what arrived before. False if it is registered no more.
   */
  boolean leave(MemoryRegion region, int slot) {
    if (regions[slot] != region) {
      return false;
    }
    regions[slot] = null;
    withdraw(slot);
    closing = region;
    return true;
  }

  /** What had arrived for the region that leaves is taken. */
  void left() {
    closing = null;
  }

  /**
   * Takes all rights back, where the peer looks for them; the memory stays usable until {@link
   * #forget} for what arrived before.
   */
  void withdrawAll() {
    for (int slot = 0; slot < SLOTS; slot++) {
      if (regions[slot] != null) {
        withdraw(slot);
      }
    }
  }

  /** The channel is down: there are no regions any more. */
  void forget() {
    for (int slot = 0; slot < SLOTS; slot++) {
      MemoryRegion region = regions[slot];
      if (region != null) {
        region.invalidate();
        regions[slot] = null;
      }
    }
  }

  private void withdraw(int slot) {
    SharedMemory.setLongRelease(channel.remoteControl(), ChannelLayout.region(slot), 0);
    SharedMemory.fullFence(); // what this side loads from now on, it loads after the right was gone
  }

  List<ChannelSnapshot.Region> snapshot() {
    List<ChannelSnapshot.Region> shots = new ArrayList<>();
    for (int slot = 0; slot < SLOTS; slot++) {
      MemoryRegion region = regions[slot];
      if (region != null) {
        shots.add(new ChannelSnapshot.Region(slot, region.rkey(), region.lengthBytes()));
      }
    }
    return shots;
  }
}
