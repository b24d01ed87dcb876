package io.twinspan.nvme;

import io.twinspan.linux.VfioDevice.IovaRange;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which DMA addresses of a device are taken. Gives out the lowest that are free, aligned to 2 MiB
 * where the memory is as large, so that an IOMMU may use large pages. Not thread-safe.
 */
final class IovaSpace {
  private static final long LARGE_BYTES = 2L << 20;
  private static final long SMALL_BYTES = 4096;

  /** Address 0 is left out: a command that names it by mistake should fail. */
  private static final long FIRST = LARGE_BYTES;

  private final List<IovaRange> ranges;

  /** First address of what is taken, and its size. */
  private final TreeMap<Long, Long> taken = new TreeMap<>();

  /**
   * A space of which nothing is taken.
   *
   * @param ranges what the device can reach
   */
  IovaSpace(List<IovaRange> ranges) {
    this.ranges = List.copyOf(ranges);
  }

  /**
   * Takes addresses.
   *
   * @param lengthBytes how many, a multiple of 4096
   * @throws NvmeException if there is no such gap
   */
  DmaRegion take(long lengthBytes) {
    long alignment = lengthBytes >= LARGE_BYTES ? LARGE_BYTES : SMALL_BYTES;
    for (IovaRange range : ranges) {
      long at = align(Math.max(range.first(), FIRST), alignment);
      while (at >= 0 && at <= range.last() && lengthBytes - 1 <= range.last() - at) {
        Map.Entry<Long, Long> obstacle = taken.lowerEntry(at + lengthBytes);
        if (obstacle == null || obstacle.getKey() + obstacle.getValue() <= at) {
          taken.put(at, lengthBytes);
          return new DmaRegion(at, lengthBytes);
        }
        at = align(obstacle.getKey() + obstacle.getValue(), alignment);
      }
    }
    throw new NvmeException("no DMA addresses are left for %d bytes".formatted(lengthBytes));
  }

  /** Gives addresses back that {@link #take} returned. */
  void release(DmaRegion region) {
    if (!taken.remove(region.iova(), region.lengthBytes())) {
      throw new IllegalArgumentException("%s is not taken".formatted(region));
    }
  }

  private static long align(long at, long alignment) {
    return (at + alignment - 1) & -alignment;
  }
}
