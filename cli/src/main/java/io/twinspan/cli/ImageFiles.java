package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Drive;
import io.twinspan.pool.PoolImages;
import io.twinspan.shelf.ShelfOptions;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One namespace of each drive of a shelf, read from the drives' images. One thread. */
final class ImageFiles implements PoolImages, AutoCloseable {
  private final List<@Nullable FileChannel> files = new ArrayList<>();

  /** Opens the images of a namespace; those that are missing are drives without blocks. */
  ImageFiles(ShelfOptions shelf, int nsid) {
    try {
      for (int drive = 0; drive < shelf.driveCount(); drive++) {
        Path image = shelf.image(drive, nsid);
        boolean there = Files.isRegularFile(image);
        files.add(there ? FileChannel.open(image, StandardOpenOption.READ) : null);
      }
    } catch (IOException e) {
      close();
      throw new TwinspanException("can't open the drives' images: " + e.getMessage(), e);
    }
  }

  @Override
  public int count() {
    return files.size();
  }

  @Override
  public String name(int drive) {
    return "drive" + drive;
  }

  @Override
  public long blockCount(int drive) {
    FileChannel file = files.get(drive);
    try {
      return file == null ? 0 : file.size() / Drive.BLOCK_BYTES;
    } catch (IOException e) {
      return 0; // as good as none
    }
  }

  @Override
  public boolean read(int drive, long block, int count, MemorySegment to, long offset) {
    FileChannel file = files.get(drive);
    if (file == null) {
      return false;
    }
    long bytes = (long) count * Drive.BLOCK_BYTES;
    ByteBuffer buffer = to.asSlice(offset, bytes).asByteBuffer();
    long position = block * Drive.BLOCK_BYTES;
    try {
      while (buffer.hasRemaining()) {
        int read = file.read(buffer, position + buffer.position());
        if (read < 0) {
          return false;
        }
      }
      return true;
    } catch (IOException e) {
      return false; // the check says which block
    }
  }

  @Override
  public void close() {
    for (FileChannel file : files) {
      try {
        if (file != null) {
          file.close();
        }
      } catch (IOException e) {
        throw new TwinspanException("can't close an image: " + e.getMessage(), e);
      }
    }
  }
}
