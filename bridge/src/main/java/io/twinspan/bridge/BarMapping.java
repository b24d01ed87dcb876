package io.twinspan.bridge;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * All of a BAR: a {@code resource} file of sysfs, or any file that stands for one.
 *
 * <p>A lock on one byte of the file, its own for each side, keeps a second process of this machine
 * from taking the same side. It ends with the process.
 */
final class BarMapping implements AutoCloseable {
  private final FileChannel file;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment segment;

  /**
   * Maps a BAR.
   *
   * @throws TwinspanException if it can't be opened or mapped, or the side is taken
   */
  BarMapping(Path path, Side side) {
    try {
      enable(path);
      file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
      try {
        lock(path, side);
        segment = file.map(MapMode.READ_WRITE, 0, file.size(), arena);
      } catch (IOException | RuntimeException e) {
        file.close();
        throw e;
      }
    } catch (IOException e) {
      throw new TwinspanException("can't map the BAR " + path + ": " + e, e);
    }
  }

  MemorySegment segment() {
    return segment;
  }

  @Override
  public void close() {
    if (!file.isOpen()) {
      return;
    }
    arena.close();
    try {
      file.close();
    } catch (IOException e) {
      throw new TwinspanException("can't close the BAR: " + e, e);
    }
  }

  /** A PCI function that no driver has enabled answers every load with ones. */
  private static void enable(Path path) throws IOException {
    Path switchOfDevice = path.resolveSibling("enable");
    boolean isResource = String.valueOf(path.getFileName()).startsWith("resource");
    if (isResource && Files.exists(switchOfDevice)) {
      if (Files.readString(switchOfDevice).strip().equals("0")) {
        Files.writeString(switchOfDevice, "1");
      }
    }
  }

  private void lock(Path path, Side side) throws IOException {
    if (tryLock(side) == null) {
      throw new TwinspanException(
          "another process of this machine uses %s as side %s".formatted(path, side));
    }
  }

  private @Nullable FileLock tryLock(Side side) throws IOException {
    try {
      return file.tryLock(side.code(), 1, false);
    } catch (OverlappingFileLockException e) {
      return null; // somebody in this process
    }
  }
}
