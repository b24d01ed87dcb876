package io.twinspan.shelf;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The clients' memory as the shelf has mapped it: a part of a memfd once, however many of the
 * shelf's drives the client has given it to. Thread-safe.
 */
final class ClientMappings {
  private static final int PAGE_BYTES = 4096;

  /** Which part of which file, and whether it may be written. */
  private record Key(
      Object device, Object inode, long offset, long lengthBytes, boolean writable) {}

  /** One part, in use by at least one drive. */
  final class Shared implements AutoCloseable {
    private final Key key;
    private final Mapping mapping;
    private int users = 1;

    private Shared(Key key, Mapping mapping) {
      this.key = key;
      this.mapping = mapping;
    }

    MemorySegment segment() {
      return mapping.segment();
    }

    /** Unmaps it if this was its last user. */
    @Override
    public void close() {
      synchronized (mappings) {
        users--;
        if (users == 0) {
          var _ = mappings.remove(key);
          mapping.close();
        }
      }
    }
  }

  private final Map<Key, Shared> mappings = new HashMap<>();

  /**
   * Maps a part of a file, or finds it mapped.
   *
   * @throws TwinspanException if it can't be mapped
   */
  Shared map(Fd memory, long offset, long lengthBytes, boolean writable) {
    Key key = key(memory, offset, lengthBytes, writable);
    synchronized (mappings) {
      Shared known = mappings.get(key);
      Mapping.Protection protection =
          writable ? Mapping.Protection.READ_WRITE : Mapping.Protection.READ;
      if (known != null) {
        // What this descriptor lets us do counts, not what that of another client did.
        Mapping.shared(memory, offset, PAGE_BYTES, protection).close();
        known.users++;
        return known;
      }
      Shared shared = new Shared(key, Mapping.shared(memory, offset, lengthBytes, protection));
      mappings.put(key, shared);
      return shared;
    }
  }

  /** How many parts are mapped. */
  int size() {
    synchronized (mappings) {
      return mappings.size();
    }
  }

  private static Key key(Fd memory, long offset, long lengthBytes, boolean writable) {
    Path link = Path.of("/proc/self/fd/" + memory.number());
    try {
      Map<String, Object> file = Files.readAttributes(link, "unix:dev,ino");
      Object device = file.getOrDefault("dev", 0);
      return new Key(device, file.getOrDefault("ino", 0), offset, lengthBytes, writable);
    } catch (IOException e) {
      throw new TwinspanException("can't tell which file " + memory + " is", e);
    }
  }
}
