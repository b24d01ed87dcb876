package io.twinspan.linux;

import java.lang.foreign.Arena;

/**
 * Anonymous memory behind a descriptor, of a size that nobody can change.
 *
 * <p>The seals matter to whoever maps a memfd that another process made: without them the other
 * side could cut the file, and the next access to the mapping would be a {@code SIGBUS} that kills
 * this process. So a receiver calls {@link #requireSealed} before it maps.
 */
public final class Memfd {
  /** The size of the huge pages that {@link #createHuge} asks for: 2 MiB. */
  public static final int HUGE_PAGE_BYTES = 2 << 20;

  private static final int MFD_CLOEXEC = 1;
  private static final int MFD_ALLOW_SEALING = 2;
  private static final int MFD_HUGETLB = 4;
  private static final int MFD_HUGE_2MB = 21 << 26;
  private static final int F_ADD_SEALS = 1033;
  private static final int F_GET_SEALS = 1034;
  private static final int F_SEAL_SEAL = 1;
  private static final int F_SEAL_SHRINK = 2;
  private static final int F_SEAL_GROW = 4;

  private Memfd() {}

  /**
   * Makes a zeroed memfd sealed against shrinking, growing and further seals.
   *
   * @param name shown in {@code /proc/PID/maps}; at most 249 bytes
   * @param sizeBytes its size, more than 0; memory is taken page by page as it is touched
   * @throws ErrnoException if the kernel refuses
   */
  public static Fd create(String name, long sizeBytes) {
    return create(name, sizeBytes, 0);
  }

  /**
   * Makes a memfd as {@link #create} does, of huge pages that the administrator has set aside
   * (/proc/sys/vm/nr_hugepages). It takes all of them at once, so that nobody who touches it fails.
   *
   * @param name shown in {@code /proc/PID/maps}; at most 249 bytes
   * @param sizeBytes its size, a multiple of {@link #HUGE_PAGE_BYTES}, more than 0
   * @throws ErrnoException if there are not enough, with {@code ENOSPC} or {@code ENOMEM}, or the
   *     machine has no pages of that size
   */
  public static Fd createHuge(String name, long sizeBytes) {
    if (sizeBytes % HUGE_PAGE_BYTES != 0) {
      throw new IllegalArgumentException("size of memfd " + name + ": " + sizeBytes);
    }
    Fd fd = create(name, sizeBytes, MFD_HUGETLB | MFD_HUGE_2MB);
    int result = Native.fallocate(fd.number(), 0, 0, sizeBytes);
    if (result < 0) {
      fd.close();
    }
    ErrnoException.check(result, "fallocate of huge pages for memfd " + name);
    return fd;
  }

  private static Fd create(String name, long sizeBytes, int moreFlags) {
    if (sizeBytes <= 0) {
      throw new IllegalArgumentException("size of memfd " + name + ": " + sizeBytes);
    }
    Fd fd;
    try (Arena arena = Arena.ofConfined()) {
      int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | moreFlags;
      int number = Native.memfdCreate(arena.allocateFrom(name), flags);
      fd = Fd.adopt(ErrnoException.check(number, "memfd_create " + name));
    }
    try {
      fd.truncate(sizeBytes);
      int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
      int result = Native.fcntl(fd.number(), F_ADD_SEALS, seals);
      ErrnoException.check(result, "fcntl F_ADD_SEALS of memfd " + name);
      return fd;
    } catch (RuntimeException e) {
      fd.close();
      throw e;
    }
  }

  /** The size of a memfd in bytes; it can change unless {@link #isSealed}. */
  public static long size(Fd fd) {
    return fd.size();
  }

  /** Whether the size can't change any more; false for what can't be sealed at all. */
  public static boolean isSealed(Fd fd) {
    int seals = Native.fcntl(fd.number(), F_GET_SEALS, 0);
    int needed = F_SEAL_SHRINK | F_SEAL_GROW;
    return seals >= 0 && (seals & needed) == needed;
  }

  /**
   * Checks that memory from another process is safe to map.
   *
   * @param fd what the other process sent
   * @param minimumBytes the size it must have at least
   * @return its size in bytes
   * @throws TwinspanException if it is not sealed or is too small
   */
  public static long requireSealed(Fd fd, long minimumBytes) {
    if (!isSealed(fd)) {
      throw new TwinspanException(fd + " is not a memfd sealed against shrinking and growing");
    }
    long size = fd.size();
    if (size < minimumBytes) {
      throw new TwinspanException(fd + " has " + size + " bytes, " + minimumBytes + " are needed");
    }
    return size;
  }
}
