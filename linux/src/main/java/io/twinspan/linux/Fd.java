package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;

/**
 * An open file descriptor, closed on exec, owned by this object.
 *
 * <p>Calls of the data path ({@link #read}, {@link #write}, {@link #pread}, {@link #pwrite}, {@link
 * #fdatasync}, {@link #punchHole}) return a negative {@link Errno} instead of throwing and do not
 * allocate; after {@link #close()} they return {@code -EBADF}. All others throw {@link
 * ErrnoException}.
 *
 * <p>Any thread may call any method. A call that runs while another thread closes the descriptor
 * may reach a file that has just been given the same number: owners stop their users before they
 * close.
 */
public final class Fd implements AutoCloseable {
  /** Open for reading ({@code O_RDONLY}). */
  public static final int READ_ONLY = 0;

  /** Open for writing ({@code O_WRONLY}). */
  public static final int WRITE_ONLY = 1;

  /** Open for reading and writing ({@code O_RDWR}). */
  public static final int READ_WRITE = 2;

  /** Create the file if it is missing ({@code O_CREAT}). */
  public static final int CREATE = 0x40;

  /** With {@link #CREATE}: fail with {@code EEXIST} if the file is there ({@code O_EXCL}). */
  public static final int EXCLUSIVE = 0x80;

  /** Cut the file to length 0 ({@code O_TRUNC}). */
  public static final int TRUNCATE = 0x200;

  /** Past the page cache ({@code O_DIRECT}): addresses, positions and lengths must be aligned. */
  public static final int DIRECT =
      System.getProperty("os.arch", "").equals("aarch64") ? 0x10000 : 0x4000;

  /** Do not block ({@code O_NONBLOCK}). */
  public static final int NON_BLOCKING = 0x800;

  private static final int CLOSE_ON_EXEC = 0x80000;
  private static final int F_DUPFD_CLOEXEC = 1030;
  private static final int F_GETFL = 3;
  private static final int F_SETFL = 4;
  private static final int FALLOC_FL_KEEP_SIZE = 1;
  private static final int FALLOC_FL_PUNCH_HOLE = 2;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int STATX_SIZE = 0x200;
  private static final long STATX_BYTES = 256;
  private static final long STATX_SIZE_OFFSET = 40;
  private static final int CLOSED = -1;

  private static final VarHandle NUMBER;

  static {
    try {
      NUMBER = MethodHandles.lookup().findVarHandle(Fd.class, "number", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile int number;

  private Fd(int number) {
    this.number = number;
  }

  /**
   * Opens a file.
   *
   * @param path what to open
   * @param flags one of {@link #READ_ONLY}, {@link #WRITE_ONLY}, {@link #READ_WRITE}, with others
   *     of this class or'ed to it; close-on-exec is always added
   * @param mode permissions of a file that is created, such as {@code 0600}, less the umask
   * @throws ErrnoException if the file can't be opened
   */
  public static Fd open(Path path, int flags, int mode) {
    try (Arena arena = Arena.ofConfined()) {
      int fd = Native.open(arena.allocateFrom(path.toString()), flags | CLOSE_ON_EXEC, mode);
      if (fd < 0) {
        throw new ErrnoException("open " + path, -fd);
      }
      return new Fd(fd);
    }
  }

  /**
   * Takes over a descriptor that this process has open; the result closes it.
   *
   * @param number the number of an open descriptor that nobody else will close
   */
  public static Fd adopt(int number) {
    if (number < 0) {
      throw new IllegalArgumentException("descriptor " + number);
    }
    return new Fd(number);
  }

  /** The number of the descriptor, or -1 after it was closed. */
  public int number() {
    return number;
  }

  /** Whether {@link #close()} has been called. */
  public boolean isClosed() {
    return number == CLOSED;
  }

  /**
   * Another descriptor of the same open file, which shares its file position and flags.
   *
   * @throws ErrnoException if the process has no descriptor left or this one is closed
   */
  public Fd duplicate() {
    return new Fd(check(Native.fcntl(number, F_DUPFD_CLOEXEC, 0), "fcntl F_DUPFD_CLOEXEC"));
  }

  /**
   * Reads once from the current position.
   *
   * @param buffer native memory
   * @param offset where in the buffer the first byte goes
   * @param length how many bytes at most
   * @return how many bytes came, 0 at the end of the file, or a negative {@link Errno}
   */
  public long read(MemorySegment buffer, long offset, long length) {
    requireWritable(buffer);
    return Native.read(number, buffer.asSlice(offset, length), length);
  }

  /**
   * Writes once at the current position.
   *
   * @param buffer native memory
   * @param offset where in the buffer the first byte comes from
   * @param length how many bytes at most
   * @return how many bytes went, or a negative {@link Errno}
   */
  public long write(MemorySegment buffer, long offset, long length) {
    return Native.write(number, buffer.asSlice(offset, length), length);
  }

  /**
   * Fills the buffer from a place in the file, as far as the file goes.
   *
   * @param buffer native memory
   * @param offsetInFile where in the file the first byte comes from
   * @return the size of the buffer, less if the file ends before, or a negative {@link Errno}
   */
  public long pread(MemorySegment buffer, long offsetInFile) {
    return pread(buffer, 0, buffer.byteSize(), offsetInFile);
  }

  /**
   * Fills a part of the buffer from a place in the file, as far as the file goes.
   *
   * @param buffer native memory
   * @param offset where in the buffer the first byte goes
   * @param length how many bytes
   * @param offsetInFile where in the file the first byte comes from
   * @return {@code length}, less if the file ends before, or a negative {@link Errno}
   */
  public long pread(MemorySegment buffer, long offset, long length, long offsetInFile) {
    requireWritable(buffer);
    long done = 0;
    while (done < length) {
      long rest = length - done;
      MemorySegment target = buffer.asSlice(offset + done, rest);
      long count = Native.pread(number, target, rest, offsetInFile + done);
      if (count < 0) {
        return count;
      }
      if (count == 0) {
        break;
      }
      done += count;
    }
    return done;
  }

  /**
   * Writes the whole buffer to a place in the file.
   *
   * @param buffer native memory
   * @param offsetInFile where in the file the first byte goes
   * @return the size of the buffer, or a negative {@link Errno}; after an error a part of the
   *     buffer may have been written
   */
  public long pwrite(MemorySegment buffer, long offsetInFile) {
    return pwrite(buffer, 0, buffer.byteSize(), offsetInFile);
  }

  /**
   * Writes a part of the buffer to a place in the file.
   *
   * @param buffer native memory
   * @param offset where in the buffer the first byte comes from
   * @param length how many bytes
   * @param offsetInFile where in the file the first byte goes
   * @return {@code length}, or a negative {@link Errno}; after an error some bytes may have been
   *     written
   */
  public long pwrite(MemorySegment buffer, long offset, long length, long offsetInFile) {
    long done = 0;
    while (done < length) {
      long rest = length - done;
      MemorySegment source = buffer.asSlice(offset + done, rest);
      long count = Native.pwrite(number, source, rest, offsetInFile + done);
      if (count < 0) {
        return count;
      }
      if (count == 0) {
        return -Errno.EIO; // no device does this; without the check the loop could go on for ever
      }
      done += count;
    }
    return done;
  }

  /**
   * Waits until the data written so far, and the size of the file, are on stable storage.
   *
   * @return 0, or a negative {@link Errno}, after which what was written may be lost
   */
  public int fdatasync() {
    return Native.fdatasync(number);
  }

  /**
   * Gives the storage of a range back; it then reads as zeros, and the size of the file stays.
   *
   * @param offset first byte of the range
   * @param length size of the range, at least 1
   * @return 0, or a negative {@link Errno}; {@code -EOPNOTSUPP} if the file system has no holes
   */
  public int punchHole(long offset, long length) {
    return Native.fallocate(number, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }

  /**
   * Sets the size of the file; a part that is added reads as zeros and takes no storage.
   *
   * @param sizeBytes the new size
   * @throws ErrnoException with {@code EPERM} if a seal of a memfd forbids it
   */
  public void truncate(long sizeBytes) {
    check(Native.ftruncate(number, sizeBytes), "ftruncate to " + sizeBytes);
  }

  /** The size of the file in bytes; 0 for what is not a regular file. */
  public long size() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment statx = arena.allocate(STATX_BYTES, Long.BYTES);
      MemorySegment empty = arena.allocateFrom("");
      check(Native.statx(number, empty, AT_EMPTY_PATH, STATX_SIZE, statx), "statx");
      return statx.get(JAVA_LONG, STATX_SIZE_OFFSET);
    }
  }

  /**
   * Decides whether calls that would have to wait fail with {@code EAGAIN} instead.
   *
   * @param nonBlocking true for {@code EAGAIN}
   */
  public void setNonBlocking(boolean nonBlocking) {
    int flags = check(Native.fcntl(number, F_GETFL, 0), "fcntl F_GETFL");
    int wanted = nonBlocking ? flags | NON_BLOCKING : flags & ~NON_BLOCKING;
    if (wanted != flags) {
      check(Native.fcntl(number, F_SETFL, wanted), "fcntl F_SETFL");
    }
  }

  /** Closes the descriptor; a second call, from whatever thread, does nothing. */
  @Override
  public void close() {
    int open = (int) NUMBER.getAndSet(this, CLOSED);
    if (open != CLOSED) {
      // The number is free again whatever close returns, and a delayed write error is fdatasync's.
      var _ = Native.close(open);
    }
  }

  @Override
  public String toString() {
    int open = number;
    return open == CLOSED ? "fd closed" : "fd " + open;
  }

  /** The kernel would fill memory that Java promised not to change. */
  static void requireWritable(MemorySegment buffer) {
    if (buffer.isReadOnly()) {
      throw new IllegalArgumentException("read into a read-only segment: " + buffer);
    }
  }

  private int check(int result, String call) {
    if (result < 0) {
      throw new ErrnoException(call + " of " + this, -result);
    }
    return result;
  }
}
