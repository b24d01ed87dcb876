package io.twinspan.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A mapped range of memory: a part of a file or memfd shared with other processes, or anonymous.
 *
 * <p>The segment belongs to a shared arena: any thread may use it, and after {@link #close()} an
 * access throws {@link IllegalStateException} rather than kill the process. That safety makes
 * opening and closing cost about a hundred microseconds; map early and seldom.
 *
 * <p>A mapping of a file that another process cuts short still raises {@code SIGBUS}: map only
 * sealed memfds from others ({@link Memfd#requireSealed}).
 */
public final class Mapping implements AutoCloseable {
  /** What may be done with the memory. */
  public enum Protection {
    /** Loads only. */
    READ(1),
    /** Loads and stores. */
    READ_WRITE(3);

    private final int bits;

    Protection(int bits) {
      this.bits = bits;
    }
  }

  /**
   * A part of a file or device.
   *
   * @param fd the file; it may be closed after it was mapped
   * @param offset first byte of the part, a multiple of the page size (4096)
   * @param lengthBytes size of the part, a multiple of the page size
   */
  public record Part(Fd fd, long offset, long lengthBytes) {}

  private static final int MAP_SHARED = 1;
  private static final int MAP_PRIVATE = 2;
  private static final int MAP_FIXED = 0x10;
  private static final int MAP_ANONYMOUS = 0x20;

  private final Arena arena;
  private final MemorySegment segment;

  private Mapping(Arena arena, MemorySegment segment) {
    this.arena = arena;
    this.segment = segment;
  }

  /**
   * Maps a part of a file; stores go to the file and to everyone who maps it.
   *
   * @param fd the file; it may be closed afterwards
   * @param offset first byte of the part, a multiple of the page size (4096)
   * @param lengthBytes size of the part, more than 0 and within the file
   * @param protection what may be done with the memory
   * @throws ErrnoException if the kernel refuses
   * @throws TwinspanException if the part is not within a regular file
   */
  public static Mapping shared(Fd fd, long offset, long lengthBytes, Protection protection) {
    return map(fd, offset, lengthBytes, protection, true);
  }

  /**
   * Maps a part of a device, whose size the kernel does not tell, such as a VFIO region.
   *
   * @param fd the device; it may be closed afterwards
   * @param offset where the device's driver says that the region begins
   * @param lengthBytes size of the region, more than 0
   * @param protection what may be done with the memory
   * @throws ErrnoException if the kernel refuses
   */
  public static Mapping device(Fd fd, long offset, long lengthBytes, Protection protection) {
    return map(fd, offset, lengthBytes, protection, false);
  }

  /**
   * Maps zeroed memory that only this process sees; it is taken page by page as it is touched.
   *
   * @param lengthBytes its size, more than 0
   * @throws ErrnoException if the kernel refuses
   */
  public static Mapping anonymous(long lengthBytes) {
    requireRange(0, lengthBytes);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return of(lengthBytes, Protection.READ_WRITE, flags, -1, 0, "anonymous memory");
  }

  /**
   * Maps parts of files or devices, one behind the other, to be read and written.
   *
   * @param parts at least one
   * @throws ErrnoException if the kernel refuses
   */
  public static Mapping joined(List<Part> parts) {
    Mapping whole = anonymous(parts.stream().mapToLong(Part::lengthBytes).sum());
    try {
      long at = 0;
      for (Part part : parts) {
        MemorySegment place = whole.segment.asSlice(at, part.lengthBytes);
        int flags = MAP_SHARED | MAP_FIXED;
        int bits = Protection.READ_WRITE.bits;
        int fd = part.fd.number();
        long address = Native.mmap(place, part.lengthBytes, bits, flags, fd, part.offset);
        if (address < 0) {
          throw new ErrnoException("mmap " + part, (int) -address);
        }
        at += part.lengthBytes;
      }
      return whole;
    } catch (RuntimeException e) {
      whole.close();
      throw e;
    }
  }

  /** The memory, aligned to a page; read-only if the protection is {@link Protection#READ}. */
  public MemorySegment segment() {
    return segment;
  }

  /** The size of the memory in bytes. */
  public long lengthBytes() {
    return segment.byteSize();
  }

  /**
   * Unmaps the memory; a second call does nothing.
   *
   * @throws IllegalStateException if a system call is using the memory at this moment; the mapping
   *     then stays, and may be closed later
   */
  @Override
  public synchronized void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  private static Mapping map(
      Fd fd, long offset, long lengthBytes, Protection protection, boolean withinFile) {
    requireRange(offset, lengthBytes);
    if (withinFile) {
      long size = fd.size();
      if (offset > size || lengthBytes > size - offset) {
        throw new TwinspanException(
            "map %d bytes at %d of %s, which has %d".formatted(lengthBytes, offset, fd, size));
      }
    }
    return of(lengthBytes, protection, MAP_SHARED, fd.number(), offset, fd.toString());
  }

  private static Mapping of(
      long lengthBytes, Protection protection, int flags, int fd, long offset, String what) {
    MemorySegment hint = MemorySegment.NULL;
    long address = Native.mmap(hint, lengthBytes, protection.bits, flags, fd, offset);
    if (address < 0) { // user space ends far below the sign bit
      throw new ErrnoException(
          "mmap %d bytes at %d of %s".formatted(lengthBytes, offset, what), (int) -address);
    }
    Arena arena = Arena.ofShared();
    MemorySegment segment =
        MemorySegment.ofAddress(address)
            .reinterpret(lengthBytes, arena, s -> unmap(s.address(), lengthBytes));
    return new Mapping(arena, protection == Protection.READ ? segment.asReadOnly() : segment);
  }

  private static void unmap(long address, long lengthBytes) {
    ErrnoException.check(Native.munmap(address, lengthBytes), "munmap");
  }

  private static void requireRange(long offset, long lengthBytes) {
    if (offset < 0 || lengthBytes <= 0) {
      throw new IllegalArgumentException("map %d bytes at %d".formatted(lengthBytes, offset));
    }
  }
}
