package io.twinspan.bridge;

import io.twinspan.linux.Mapping;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.VfioDevice;
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
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * All of a BAR: a {@code resource} file of sysfs, or any file that stands for one. If the function
 * is bound to vfio-pci, it is mapped through that, and comes with a doorbell.
 *
 * <p>A second process of this machine can't take the same side: a function has one user in VFIO,
 * and otherwise there is a lock on one byte of the file, its own for each side.
 *
 * @param closes gives everything back
 */
record BarMapping(MemorySegment segment, Optional<Doorbell> doorbell, Runnable closes)
    implements AutoCloseable {
  private static final int MEMORY_BAR = 2;

  /**
   * Maps a BAR.
   *
   * @throws TwinspanException if it can't be opened or mapped, or the side is taken
   */
  static BarMapping open(Path path, Side side) {
    Path function = path.toAbsolutePath().getParent();
    return function != null && VfioDevice.isAt(function)
        ? ofVfio(new VfioDevice(function))
        : ofFile(path, side);
  }

  @Override
  public void close() {
    closes.run();
  }

  private static BarMapping ofVfio(VfioDevice device) {
    try {
      Mapping memory = device.map(MEMORY_BAR);
      Doorbell doorbell = new IvshmemDoorbell(device);
      Runnable closes =
          () -> {
            device.close();
            memory.close();
            doorbell.close();
          };
      return new BarMapping(memory.segment(), Optional.of(doorbell), closes);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  private static BarMapping ofFile(Path path, Side side) {
    try {
      enable(path);
      FileChannel file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
      try {
        if (tryLock(file, side) == null) {
          throw new TwinspanException(
              "another process of this machine uses %s as side %s".formatted(path, side));
        }
        Arena arena = Arena.ofShared();
        MemorySegment segment = file.map(MapMode.READ_WRITE, 0, file.size(), arena);
        return new BarMapping(segment, Optional.empty(), () -> close(arena, file));
      } catch (IOException | RuntimeException e) {
        file.close();
        throw e;
      }
    } catch (IOException e) {
      throw new TwinspanException("can't map the BAR " + path + ": " + e, e);
    }
  }

  private static void close(Arena arena, FileChannel file) {
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

  private static @Nullable FileLock tryLock(FileChannel file, Side side) throws IOException {
    try {
      return file.tryLock(side.code(), 1, false);
    } catch (OverlappingFileLockException e) {
      return null; // somebody in this process
    }
  }
}
