package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The memory of another process that the drive can reach on its behalf, and where this process maps
 * it. What lies there changes at any time: read once, then check, then use.
 *
 * <p>Immutable, so that the data path reads it without a lock; a change makes a new one.
 */
final class ForeignMemory {
  static final ForeignMemory NONE = new ForeignMemory(new DmaRegion[0], new MemorySegment[0]);

  private static final int NOWHERE = -1;

  private final DmaRegion[] regions;
  private final MemorySegment[] segments;

  private ForeignMemory(DmaRegion[] regions, MemorySegment[] segments) {
    this.regions = regions;
    this.segments = segments;
  }

  ForeignMemory with(DmaRegion region, MemorySegment segment) {
    DmaRegion[] moreRegions = Arrays.copyOf(regions, regions.length + 1);
    MemorySegment[] moreSegments = Arrays.copyOf(segments, segments.length + 1);
    moreRegions[regions.length] = region;
    moreSegments[segments.length] = segment;
    return new ForeignMemory(moreRegions, moreSegments);
  }

  ForeignMemory without(DmaRegion region) {
    int[] kept =
        IntStream.range(0, regions.length).filter(i -> !regions[i].equals(region)).toArray();
    return new ForeignMemory(
        Arrays.stream(kept).mapToObj(i -> regions[i]).toArray(DmaRegion[]::new),
        Arrays.stream(kept).mapToObj(i -> segments[i]).toArray(MemorySegment[]::new));
  }

  /** Whether all of it is the process's, in one piece. */
  boolean contains(long iova, long lengthBytes) {
    return find(iova, lengthBytes) != NOWHERE;
  }

  /** A part of the memory as this process maps it; it must be {@link #contains contained}. */
  MemorySegment slice(long iova, long lengthBytes) {
    int i = find(iova, lengthBytes);
    if (i == NOWHERE) {
      throw new IllegalArgumentException("%d bytes at 0x%x".formatted(lengthBytes, iova));
    }
    return segments[i].asSlice(iova - regions[i].iova(), lengthBytes);
  }

  /** Reads eight bytes; they must be {@link #contains contained}, at a multiple of 8. */
  long getLong(long iova) {
    int i = find(iova, Long.BYTES);
    return segments[i].get(LittleEndian.LONG, iova - regions[i].iova());
  }

  /** Copies bytes; they must be {@link #contains contained}. */
  void copy(long iova, long lengthBytes, MemorySegment target, long targetOffset) {
    int i = find(iova, lengthBytes);
    MemorySegment.copy(segments[i], iova - regions[i].iova(), target, targetOffset, lengthBytes);
  }

  private int find(long iova, long lengthBytes) {
    for (int i = 0; i < regions.length; i++) {
      long offset = iova - regions[i].iova();
      // Addresses are anything that a process may write down; those given out are positive.
      if (iova >= 0 && offset >= 0 && offset <= regions[i].lengthBytes() - lengthBytes) {
        return i;
      }
    }
    return NOWHERE;
  }
}
