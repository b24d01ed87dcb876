package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.Fd;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The memory that one client has mapped for DMA: which of its addresses the drive may touch, and
 * how.
 *
 * <p>Nothing is unmapped while a command may still use it: before that the map has those settled
 * that are on their way. Owned by the drive's agent thread. {@link #find} allocates nothing.
 */
final class DmaMap implements AutoCloseable {
  /** How many regions a client may have mapped at a time; told to it in the version message. */
  static final int MAX_REGIONS = 512;

  private static final long PAGE_MASK = 4095;

  /** One mapped range of a client's addresses. */
  static final class Region implements AutoCloseable {
    private final long address;
    private final long lengthBytes;
    private final boolean readable;
    private final boolean writable;
    private final ClientMappings.@Nullable Shared mapping;
    private final MemorySegment segment;

    private Region(
        long address,
        long lengthBytes,
        boolean readable,
        boolean writable,
        ClientMappings.@Nullable Shared mapping) {
      this.address = address;
      this.lengthBytes = lengthBytes;
      this.readable = readable;
      this.writable = writable;
      this.mapping = mapping;
      segment = mapping == null ? MemorySegment.NULL : mapping.segment();
    }

    /** The memory, which begins at the region's address. */
    MemorySegment segment() {
      return segment;
    }

    /** Where in {@link #segment} an address of the client lies. */
    long offsetOf(long clientAddress) {
      return clientAddress - address;
    }

    /** Whether the drive may use the range: write to it, or read from it. */
    private boolean grants(long clientAddress, long length, boolean write) {
      long offset = clientAddress - address;
      return mapping != null
          && offset >= 0
          && offset <= lengthBytes - length
          && (write ? writable : readable);
    }

    @Override
    public void close() {
      if (mapping != null) {
        mapping.close();
      }
    }
  }

  private final ClientMappings mappings;
  private final Runnable settle;

  /** A map that shares no mappings with others, and that nothing uses in the background. */
  DmaMap() {
    this(new ClientMappings(), () -> {});
  }

  /**
   * A map whose memory may be mapped for others too.
   *
   * @param mappings all memory of clients
   * @param settle waits until no command is on its way
   */
  DmaMap(ClientMappings mappings, Runnable settle) {
    this.mappings = mappings;
    this.settle = settle;
  }

  /** Sorted by address; the regions never overlap. */
  private Region[] regions = new Region[0];

  private @Nullable Region last;

  /**
   * Maps a range of the client's addresses.
   *
   * @param address where it begins for the client, a multiple of 4096
   * @param lengthBytes its size, a multiple of 4096, more than 0
   * @param memory the client's memory, or null for a range that the drive could only reach by
   *     messages, which it refuses to use; stays owned by the caller
   * @param offset where in {@code memory} the range begins
   * @param readable whether the drive may read
   * @param writable whether the drive may write
   * @return 0 or a negative {@link Errno}
   */
  int add(
      long address,
      long lengthBytes,
      @Nullable Fd memory,
      long offset,
      boolean readable,
      boolean writable) {
    boolean aligned = ((address | lengthBytes | offset) & PAGE_MASK) == 0;
    if (!aligned || address < 0 || lengthBytes <= 0 || offset < 0 || address + lengthBytes < 0) {
      return -Errno.EINVAL;
    }
    if (regions.length == MAX_REGIONS) {
      return -Errno.ENOMEM;
    }
    int at = 0;
    while (at < regions.length && regions[at].address < address) {
      at++;
    }
    boolean overlaps =
        (at > 0 && regions[at - 1].address + regions[at - 1].lengthBytes > address)
            || (at < regions.length && regions[at].address < address + lengthBytes);
    if (overlaps) {
      return -Errno.EEXIST;
    }
    ClientMappings.Shared mapping = null;
    if (memory != null) {
      try {
        mapping = mappings.map(memory, offset, lengthBytes, writable);
      } catch (ErrnoException e) {
        return -e.errno();
      } catch (TwinspanException e) {
        return -Errno.EINVAL; // the range does not lie within the file
      }
    }
    Region[] grown = new Region[regions.length + 1];
    System.arraycopy(regions, 0, grown, 0, at);
    grown[at] = new Region(address, lengthBytes, readable, writable, mapping);
    System.arraycopy(regions, at, grown, at + 1, regions.length - at);
    regions = grown;
    return 0;
  }

  /**
   * Unmaps every region within a range; the caller has stopped all use of them.
   *
   * @param address where the range begins
   * @param lengthBytes its size
   * @return 0, {@code -ENOENT} if no region lies there, {@code -EINVAL} if one lies there only
   *     partly, and then nothing is unmapped
   */
  int remove(long address, long lengthBytes) {
    if (address < 0 || lengthBytes <= 0 || address + lengthBytes < 0) {
      return -Errno.EINVAL;
    }
    long end = address + lengthBytes;
    int within = 0;
    for (Region region : regions) {
      long regionEnd = region.address + region.lengthBytes;
      if (region.address >= address && regionEnd <= end) {
        within++;
      } else if (region.address < end && regionEnd > address) {
        return -Errno.EINVAL;
      }
    }
    if (within == 0) {
      return -Errno.ENOENT;
    }
    settle.run();
    last = null;
    Region[] kept = new Region[regions.length - within];
    int count = 0;
    for (Region region : regions) {
      if (region.address >= address && region.address < end) {
        region.close();
      } else {
        kept[count++] = region;
      }
    }
    regions = kept;
    return 0;
  }

  /** Whether a region lies within the range and is about to go with it. */
  static boolean within(Region region, long address, long lengthBytes) {
    return region.address >= address
        && region.address - address <= lengthBytes - region.lengthBytes;
  }

  /**
   * The region that holds a whole range and lets the drive use it as wanted, or null.
   *
   * @param address first byte, as the client names it
   * @param lengthBytes size of the range, more than 0
   * @param write whether the drive will write to it, else read from it
   */
  @Nullable Region find(long address, long lengthBytes, boolean write) {
    Region hit = last;
    if (hit != null && hit.grants(address, lengthBytes, write)) {
      return hit;
    }
    int low = 0;
    int high = regions.length - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Region region = regions[middle];
      if (address < region.address) {
        high = middle - 1;
      } else if (address - region.address >= region.lengthBytes) {
        low = middle + 1;
      } else if (region.grants(address, lengthBytes, write)) {
        last = region;
        return region;
      } else {
        return null;
      }
    }
    return null;
  }

  /** How many regions are mapped. */
  int size() {
    return regions.length;
  }

  /** Unmaps everything; the caller has stopped all use of it. The map may be used again. */
  @Override
  public void close() {
    settle.run();
    last = null;
    Region[] all = regions;
    regions = new Region[0];
    Arrays.stream(all).forEach(Region::close);
  }
}
