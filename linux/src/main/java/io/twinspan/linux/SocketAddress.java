package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Encodes {@code struct sockaddr_un}. */
final class SocketAddress {
  static final int AF_UNIX = 1;
  static final int SOCK_STREAM = 1;
  static final int CLOSE_ON_EXEC = 0x80000;
  static final int SOCK_NONBLOCK = 0x800;

  /** The path field has 108 bytes, one of them for the final zero. */
  private static final int MAX_PATH_BYTES = 107;

  private static final int FAMILY_BYTES = 2;

  private SocketAddress() {}

  static MemorySegment of(Path path, Arena arena) {
    byte[] bytes = path.toString().getBytes(StandardCharsets.UTF_8);
    if (bytes.length == 0 || bytes.length > MAX_PATH_BYTES) {
      throw new TwinspanException(
          "the socket path %s has %d bytes, and Linux allows 1 to %d; choose a shorter directory"
              .formatted(path, bytes.length, MAX_PATH_BYTES));
    }
    MemorySegment address = arena.allocate(FAMILY_BYTES + bytes.length + 1, Short.BYTES);
    address.set(JAVA_SHORT, 0, (short) AF_UNIX);
    MemorySegment.copy(bytes, 0, address, JAVA_BYTE, FAMILY_BYTES, bytes.length);
    return address;
  }
}
