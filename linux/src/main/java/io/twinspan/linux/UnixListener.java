package io.twinspan.linux;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * A stream socket in the file system that waits for connections.
 *
 * <p>One thread accepts; any thread may close, which ends an {@link #accept()} that is waiting.
 */
public final class UnixListener implements AutoCloseable {
  private static final int BACKLOG = 64;

  private final Fd fd;
  private final Path path;

  private UnixListener(Fd fd, Path path) {
    this.fd = fd;
    this.path = path;
  }

  /**
   * Makes the socket file and listens. A file that a dead process left behind is replaced; starting
   * two listeners on one path at the same instant is for the caller to prevent.
   *
   * @param path where, at most 107 bytes
   * @param mode permissions of the file, such as {@code 0600}, less the umask
   * @throws TwinspanException if the path is too long, a live process listens there, or the file
   *     there is no socket
   */
  public static UnixListener bind(Path path, int mode) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment address = SocketAddress.of(path, arena);
      removeStale(path);
      Fd fd = UnixSocket.open(0);
      try {
        // bind gives the file the mode of the socket, so nobody can connect before it is right.
        ErrnoException.check(Native.fchmod(fd.number(), mode), "fchmod of the socket " + path);
        int size = (int) address.byteSize();
        ErrnoException.check(NativeSockets.bind(fd.number(), address, size), "bind " + path);
        ErrnoException.check(NativeSockets.listen(fd.number(), BACKLOG), "listen " + path);
        return new UnixListener(fd, path);
      } catch (RuntimeException e) {
        fd.close();
        throw e;
      }
    }
  }

  /**
   * Takes a connection, waiting for one unless the listener is non-blocking.
   *
   * @return the connection, blocking; empty if none is waiting or the listener was closed
   * @throws ErrnoException if the process has no descriptor left
   */
  public Optional<UnixSocket> accept() {
    MemorySegment none = MemorySegment.NULL;
    int result = NativeSockets.accept4(fd.number(), none, none, SocketAddress.CLOSE_ON_EXEC);
    boolean nobody = result == -Errno.EAGAIN || result == -Errno.ECONNABORTED;
    // EINVAL: shut down by close, which has not got to the descriptor yet.
    boolean closed = result == -Errno.EINVAL || (result < 0 && fd.isClosed());
    if (nobody || closed) {
      return Optional.empty();
    }
    ErrnoException.check(result, "accept " + path);
    return Optional.of(UnixSocket.adopt(Fd.adopt(result)));
  }

  /**
   * Decides whether {@link #accept()} returns at once when no connection is waiting.
   *
   * @param nonBlocking true for at once
   */
  public void setNonBlocking(boolean nonBlocking) {
    fd.setNonBlocking(nonBlocking);
  }

  /** The descriptor, readable when a connection is waiting; still owned by this object. */
  public Fd fd() {
    return fd;
  }

  /** Where it listens. */
  public Path path() {
    return path;
  }

  /** Removes the socket file and listens no more; connections already accepted stay open. */
  @Override
  public synchronized void close() {
    if (fd.isClosed()) {
      return;
    }
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      throw new TwinspanException("remove the socket " + path + ": " + e, e);
    } finally {
      UnixSocket.shutDownAndClose(fd);
    }
  }

  private static void removeStale(Path path) {
    if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (UnixSocket live = UnixSocket.connect(path, Duration.ZERO)) {
      throw new TwinspanException(
          "process %d already listens on %s; stop it, or use another path"
              .formatted(live.peer().pid(), path));
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return;
      }
      if (e.errno() != Errno.ECONNREFUSED || !isSocket(path)) {
        throw e;
      }
    }
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      throw new TwinspanException("remove the stale socket " + path + ": " + e, e);
    }
  }

  /** Connecting to an ordinary file is refused too; that file must not be removed. */
  private static boolean isSocket(Path path) {
    try {
      int mode = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
      return (mode & 0170000) == 0140000;
    } catch (IOException e) {
      return false;
    }
  }
}
