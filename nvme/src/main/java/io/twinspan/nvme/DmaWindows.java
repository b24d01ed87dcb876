package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The local memory that one device can reach, and where: translates addresses of segments into DMA
 * addresses.
 *
 * <p>Immutable, so the data path reads it without a lock; a change makes a new one.
 */
final class DmaWindows {
  /** More windows than this would make the linear search the wrong one. */
  static final int MAX = 64;

  /** What {@link #iovaOf} returns for memory that the device cannot reach. */
  static final long UNMAPPED = -1;

  static final DmaWindows NONE = new DmaWindows(new long[0], new long[0], new DmaRegion[0]);

  private final long[] addresses;
  private final long[] ends;
  private final DmaRegion[] regions;

  private DmaWindows(long[] addresses, long[] ends, DmaRegion[] regions) {
    this.addresses = addresses;
    this.ends = ends;
    this.regions = regions;
  }

  DmaWindows with(MemorySegment local, DmaRegion region) {
    int count = regions.length;
    if (count == MAX) {
      throw new NvmeException("more than " + MAX + " memory regions mapped at one controller");
    }
    long[] newAddresses = Arrays.copyOf(addresses, count + 1);
    long[] newEnds = Arrays.copyOf(ends, count + 1);
    DmaRegion[] newRegions = Arrays.copyOf(regions, count + 1);
    newAddresses[count] = local.address();
    newEnds[count] = local.address() + local.byteSize();
    newRegions[count] = region;
    return new DmaWindows(newAddresses, newEnds, newRegions);
  }

  DmaWindows without(MemorySegment local) {
    int[] kept =
        IntStream.range(0, regions.length).filter(i -> addresses[i] != local.address()).toArray();
    return new DmaWindows(
        Arrays.stream(kept).mapToLong(i -> addresses[i]).toArray(),
        Arrays.stream(kept).mapToLong(i -> ends[i]).toArray(),
        Arrays.stream(kept).mapToObj(i -> regions[i]).toArray(DmaRegion[]::new));
  }

  /** The region that a mapped segment begins with, or an exception. */
  DmaRegion regionOf(MemorySegment local) {
    for (int i = 0; i < regions.length; i++) {
      if (addresses[i] == local.address()) {
        return regions[i];
      }
    }
    throw new IllegalArgumentException("memory at 0x%x is not mapped".formatted(local.address()));
  }

  /**
   * The DMA address of a part of a segment, or {@link #UNMAPPED}, also if the part is not within
   * the segment.
   */
  long iovaOf(MemorySegment segment, long offset, long length) {
    if (!segment.isNative() || offset < 0 || length < 0 || offset > segment.byteSize() - length) {
      return UNMAPPED;
    }
    long address = segment.address() + offset;
    for (int i = 0; i < addresses.length; i++) {
      if (address >= addresses[i] && address <= ends[i] - length) {
        return regions[i].iova() + (address - addresses[i]);
      }
    }
    return UNMAPPED;
  }
}
