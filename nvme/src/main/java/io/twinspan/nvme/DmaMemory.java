package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import java.lang.foreign.MemorySegment;

/**
 * Memory of this process that devices can be given access to: a mapped part of a memfd.
 *
 * <p>Map it at each controller with {@link NvmeController#map} before commands name it, and close
 * it after those controllers have unmapped it or are closed. Immutable; safe for several threads.
 */
public final class DmaMemory implements AutoCloseable {
  /** Granularity of DMA mappings in bytes. */
  public static final int PAGE_BYTES = 4096;

  private final Fd memfd;
  private final long offset;
  private final Mapping mapping;

  private DmaMemory(Fd memfd, long offset, Mapping mapping) {
    this.memfd = memfd;
    this.offset = offset;
    this.mapping = mapping;
  }

  /**
   * {@return new, zeroed memory}
   *
   * @param name for people, shown in /proc
   * @param lengthBytes size, rounded up to a multiple of 4096
   */
  public static DmaMemory allocate(String name, long lengthBytes) {
    long size = (lengthBytes + PAGE_BYTES - 1) & -PAGE_BYTES;
    Fd memfd = Memfd.create(name, size);
    try {
      return new DmaMemory(memfd, 0, Mapping.shared(memfd, 0, size, Mapping.Protection.READ_WRITE));
    } catch (RuntimeException e) {
      memfd.close();
      throw e;
    }
  }

  /**
   * {@return memory that is already there, seen through a mapping of its own}
   *
   * <p>Commands must name it by {@link #segment()}: other mappings of the same memfd are not
   * recognised. The descriptor is duplicated.
   *
   * @param memfd the memfd
   * @param offset of the part, in bytes, a multiple of 4096
   * @param mapping the same part, mapped; closed with this
   */
  public static DmaMemory of(Fd memfd, long offset, Mapping mapping) {
    if (offset % PAGE_BYTES != 0 || mapping.lengthBytes() % PAGE_BYTES != 0) {
      throw new IllegalArgumentException(
          "offset %d or length %d is not a multiple of %d"
              .formatted(offset, mapping.lengthBytes(), PAGE_BYTES));
    }
    return new DmaMemory(memfd.duplicate(), offset, mapping);
  }

  /** {@return the memory} */
  public MemorySegment segment() {
    return mapping.segment();
  }

  /** {@return its size in bytes} */
  public long lengthBytes() {
    return mapping.lengthBytes();
  }

  /** {@return the memfd behind it, still owned by this object} */
  public Fd memfd() {
    return memfd;
  }

  /** {@return where in the memfd it begins, in bytes} */
  public long offset() {
    return offset;
  }

  @Override
  public void close() {
    mapping.close();
    memfd.close();
  }
}
