package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A namespace in a sparse file, moved by pread and pwrite straight between the file and the
 * client's memory; the page cache is the drive's volatile write cache.
 *
 * <p>With direct I/O whole blocks that are aligned in the client's memory go past the page cache;
 * what is not aligned goes through it, which the kernel keeps in step with the file.
 */
final class FileMedium implements Medium {
  private static final long ZEROES_BYTES = 64 << 10;
  private static final MemorySegment ZEROES = Arena.global().allocate(ZEROES_BYTES, 4096);

  private static final int ALIGNMENT = Namespace.BLOCK_BYTES;

  private final Fd file;

  /** The same file, past the page cache if that was asked for. */
  private final Fd direct;

  private final long sizeBytes;

  private FileMedium(Fd file, Fd direct, long sizeBytes) {
    this.file = file;
    this.direct = direct;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Opens an image, or creates a sparse one that takes no space yet.
   *
   * @param path where; created with mode 0600
   * @param sizeBytes the size it gets or must have
   * @param past whether aligned blocks go past the page cache
   * @throws TwinspanException if there is an image of another size, or it can't be opened; EINVAL
   *     says that the file system has no direct I/O
   */
  static FileMedium open(Path path, long sizeBytes, boolean past) {
    Fd file = Fd.open(path, Fd.READ_WRITE | Fd.CREATE, 0600);
    try {
      long size = file.size();
      if (size == 0) {
        file.truncate(sizeBytes);
      } else if (size != sizeBytes) {
        throw new TwinspanException(
            "the image %s has %d bytes, but the drive is to have %d; use the size it was made with, or remove it"
                .formatted(path, size, sizeBytes));
      }
      Fd direct = past ? Fd.open(path, Fd.READ_WRITE | Fd.DIRECT, 0) : file;
      return new FileMedium(file, direct, sizeBytes);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  @Override
  public long sizeBytes() {
    return sizeBytes;
  }

  @Override
  public int read(long position, MemorySegment target, long offset, long lengthBytes) {
    long done =
        choose(position, target, offset, lengthBytes).pread(target, offset, lengthBytes, position);
    return done == lengthBytes ? 0 : done < 0 ? (int) done : -Errno.EIO;
  }

  @Override
  public int write(long position, MemorySegment source, long offset, long lengthBytes) {
    long done =
        choose(position, source, offset, lengthBytes).pwrite(source, offset, lengthBytes, position);
    return done == lengthBytes ? 0 : done < 0 ? (int) done : -Errno.EIO;
  }

  @Override
  public int zero(long position, long lengthBytes) {
    int result = file.punchHole(position, lengthBytes);
    return result == -Errno.EOPNOTSUPP ? writeZeroes(position, lengthBytes) : result;
  }

  @Override
  public int flush() {
    return file.fdatasync();
  }

  @Override
  public void close() {
    file.close();
    direct.close();
  }

  private Fd choose(long position, MemorySegment memory, long offset, long lengthBytes) {
    long all = position | (memory.address() + offset) | lengthBytes;
    return (all & (ALIGNMENT - 1)) == 0 ? direct : file;
  }

  private int writeZeroes(long position, long lengthBytes) {
    for (long done = 0; done < lengthBytes; done += ZEROES_BYTES) {
      int result = write(position + done, ZEROES, 0, Math.min(ZEROES_BYTES, lengthBytes - done));
      if (result != 0) {
        return result;
      }
    }
    return 0;
  }
}
