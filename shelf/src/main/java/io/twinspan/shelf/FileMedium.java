package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A namespace in a sparse file, moved by pread and pwrite straight between the file and the
 * client's memory; the page cache is the drive's volatile write cache.
 *
 * <p>With direct I/O whole blocks that are aligned in the client's memory go past the page cache,
 * many at a time if there is an engine for it; what is not aligned goes through the page cache,
 * which the kernel keeps in step with the file.
 */
final class FileMedium implements Medium {
  private static final long ZEROES_BYTES = 64 << 10;
  private static final MemorySegment ZEROES = Arena.global().allocate(ZEROES_BYTES, 4096);

  private static final int ALIGNMENT = Namespace.BLOCK_BYTES;

  private final Fd file;

  /** The same file, past the page cache if that was asked for. */
  private final Fd direct;

  /** Carries aligned blocks out past the page cache, or null. */
  private final @Nullable TransferEngine engine;

  private final long sizeBytes;

  private FileMedium(Fd file, Fd direct, @Nullable TransferEngine engine, long sizeBytes) {
    this.file = file;
    this.direct = direct;
    this.engine = engine;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Opens an image, or creates a sparse one that takes no space yet.
   *
   * @param path where; created with mode 0600
   * @param sizeBytes the size it gets or must have
   * @param past whether aligned blocks go past the page cache
   * @param engine what carries those out, many at a time; null for one at a time
   * @throws TwinspanException if there is an image of another size, or it can't be opened; EINVAL
   *     says that the file system has no direct I/O
   */
  static FileMedium open(Path path, long sizeBytes, boolean past, @Nullable TransferEngine engine) {
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
      return new FileMedium(file, direct, past ? engine : null, sizeBytes);
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
  public boolean canBegin(DataPointer data) {
    if (engine == null) {
      return false;
    }
    long all = 0;
    for (int i = 0; i < data.count(); i++) {
      all |= (data.segment(i).address() + data.offset(i)) | data.length(i);
    }
    return (all & (ALIGNMENT - 1)) == 0;
  }

  @Override
  public void begin(Transfer transfer) {
    Objects.requireNonNull(engine).begin(transfer, direct);
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
