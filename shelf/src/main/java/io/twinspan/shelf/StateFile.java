package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file of a drive's {@link DriveState}, replaced as a whole, so that it is the old one or the
 * new one whenever the machine stops. The agent thread says what, the flush thread writes.
 */
final class StateFile {
  private static final Logger LOG = LoggerFactory.getLogger(StateFile.class);

  private final Path path;
  private volatile byte[] next = {};

  StateFile(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  /** What the file holds; empty if there is none. */
  byte[] read() {
    try {
      return Files.exists(path) ? Files.readAllBytes(path) : new byte[0];
    } catch (IOException e) {
      throw new TwinspanException("can't read " + path, e);
    }
  }

  /** What the next {@link #save} writes. */
  void set(byte[] state) {
    next = state;
  }

  /** Writes what was set last; returns when it is stable: 0, or {@code -EIO}. */
  int save() {
    Path directory = Objects.requireNonNull(path.toAbsolutePath().getParent(), "no root");
    Path fresh = path.resolveSibling(path.getFileName() + ".new");
    try {
      try (FileChannel file =
          FileChannel.open(
              fresh,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        ByteBuffer state = ByteBuffer.wrap(next);
        while (state.hasRemaining()) {
          var _ = file.write(state);
        }
        file.force(true);
      }
      var _ = Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
      try (FileChannel names = FileChannel.open(directory, StandardOpenOption.READ)) {
        names.force(true);
      }
      return 0;
    } catch (IOException e) {
      LOG.error("{} can't be written", path, e);
      return -Errno.EIO;
    }
  }
}
