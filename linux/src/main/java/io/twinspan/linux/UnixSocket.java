package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * A connected Unix stream socket that carries bytes and descriptors between processes.
 *
 * <p>One thread may send while another one receives; two senders, or two receivers, must take
 * turns. The end of the connection, which the kernel tells within a millisecond when the peer's
 * process dies however it dies, is a {@link #receive} of 0. {@link #send} and {@link #receive}
 * return a negative {@link Errno} instead of throwing, and allocate nothing unless descriptors
 * travel.
 */
public final class UnixSocket implements AutoCloseable {
  /** How many descriptors travel with one message at most. */
  public static final int MAX_FDS = 64;

  private static final int SOL_SOCKET = 1;
  private static final int SO_PEERCRED = 17;
  private static final int SO_RCVTIMEO = 20;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int SHUT_RD = 0;
  private static final int SHUT_WR = 1;
  private static final int SHUT_RDWR = 2;
  private static final long RETRY_MS = 5;

  private final Fd fd;
  private final SocketMessage outgoing = new SocketMessage(MAX_FDS);
  private final SocketMessage incoming = new SocketMessage(MAX_FDS);

  private UnixSocket(Fd fd) {
    this.fd = fd;
  }

  /**
   * Takes over a connected Unix stream socket.
   *
   * @param fd closed by {@link #close()}
   */
  public static UnixSocket adopt(Fd fd) {
    return new UnixSocket(fd);
  }

  /**
   * Connects, trying again while nobody listens there: the other process may be starting.
   *
   * @param path the listener's path, at most 107 bytes
   * @param timeout how long to go on trying; zero tries once
   * @return a blocking socket
   * @throws ErrnoException with {@code ENOENT}, {@code ECONNREFUSED} or {@code EAGAIN} (too many
   *     are waiting to be accepted) if it was so until the time was over
   */
  public static UnixSocket connect(Path path, Duration timeout) {
    long startNs = System.nanoTime();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment address = SocketAddress.of(path, arena);
      while (true) {
        Fd fd = open(SocketAddress.SOCK_NONBLOCK);
        int result = NativeSockets.connect(fd.number(), address, (int) address.byteSize());
        if (result >= 0) {
          fd.setNonBlocking(false);
          return new UnixSocket(fd);
        }
        fd.close();
        boolean mayPass =
            result == -Errno.ENOENT || result == -Errno.ECONNREFUSED || result == -Errno.EAGAIN;
        if (!mayPass || System.nanoTime() - startNs >= timeout.toNanos()) {
          throw new ErrnoException("connect " + path, -result);
        }
        pause(path);
      }
    }
  }

  /**
   * Two sockets that are connected to each other.
   *
   * @throws ErrnoException if the process has no descriptor left
   */
  public static List<UnixSocket> pair() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fds = arena.allocate(JAVA_INT, 2);
      int type = SocketAddress.SOCK_STREAM | SocketAddress.CLOSE_ON_EXEC;
      ErrnoException.check(
          NativeSockets.socketpair(SocketAddress.AF_UNIX, type, 0, fds), "socketpair");
      return List.of(
          new UnixSocket(Fd.adopt(fds.getAtIndex(JAVA_INT, 0))),
          new UnixSocket(Fd.adopt(fds.getAtIndex(JAVA_INT, 1))));
    }
  }

  /**
   * Sends bytes.
   *
   * @param buffer native memory
   * @param offset where in the buffer the first byte is
   * @param length how many bytes
   * @return how many bytes went, which may be fewer than {@code length}; or a negative {@link
   *     Errno}: {@code -EPIPE} when the peer has gone, {@code -EAGAIN} when a non-blocking socket
   *     has no room
   */
  public int send(MemorySegment buffer, long offset, int length) {
    MemorySegment bytes = buffer.asSlice(offset, length);
    return (int) NativeSockets.send(fd.number(), bytes, length, MSG_NOSIGNAL);
  }

  /**
   * Sends bytes, and descriptors with the first of them. The receiver gets descriptors of its own;
   * those sent stay open here.
   *
   * @param buffer native memory, which must stay open during the call
   * @param offset where in the buffer the first byte is
   * @param length how many bytes, at least 1 if there are descriptors
   * @param fds at most {@link #MAX_FDS}
   * @return as {@link #send(MemorySegment, long, int)}; if it is not negative the descriptors went
   */
  public int send(MemorySegment buffer, long offset, int length, Fd... fds) {
    if (fds.length == 0) {
      return send(buffer, offset, length);
    }
    if (fds.length > MAX_FDS || length == 0) {
      throw new IllegalArgumentException(fds.length + " descriptors with " + length + " bytes");
    }
    for (Fd sent : fds) {
      if (sent.isClosed()) {
        return -Errno.EBADF;
      }
    }
    return outgoing.send(fd.number(), buffer.asSlice(offset, length), fds, MSG_NOSIGNAL);
  }

  /**
   * Receives bytes, and the descriptors that came with them.
   *
   * @param buffer native memory, which must stay open during the call
   * @param offset where in the buffer the first byte goes
   * @param length how many bytes at most, at least 1
   * @param received gets the descriptors, in the order in which they were sent; the caller owns
   *     them
   * @return how many bytes came, 0 when the peer has closed, or a negative {@link Errno}: {@code
   *     -EAGAIN} when nothing came in time, {@code -EMSGSIZE} when there were more descriptors than
   *     {@link #MAX_FDS} or than this process may have open (those that came are closed, and the
   *     connection is of no more use)
   */
  public int receive(MemorySegment buffer, long offset, int length, List<Fd> received) {
    if (length <= 0) {
      throw new IllegalArgumentException("receive " + length + " bytes");
    }
    Fd.requireWritable(buffer);
    return incoming.receive(fd.number(), buffer.asSlice(offset, length), received);
  }

  /** The process at the other end, as the kernel saw it when the connection was made. */
  public Credentials peer() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment ucred = arena.allocate(JAVA_INT, 3);
      MemorySegment size = arena.allocateFrom(JAVA_INT, (int) ucred.byteSize());
      int result = NativeSockets.getsockopt(fd.number(), SOL_SOCKET, SO_PEERCRED, ucred, size);
      ErrnoException.check(result, "getsockopt SO_PEERCRED of " + fd);
      return new Credentials(
          ucred.getAtIndex(JAVA_INT, 0),
          ucred.getAtIndex(JAVA_INT, 1),
          ucred.getAtIndex(JAVA_INT, 2));
    }
  }

  /**
   * Decides whether {@link #send} and {@link #receive} return {@code -EAGAIN} instead of waiting.
   *
   * @param nonBlocking true for {@code -EAGAIN}
   */
  public void setNonBlocking(boolean nonBlocking) {
    fd.setNonBlocking(nonBlocking);
  }

  /**
   * Limits how long {@link #receive} waits before it returns {@code -EAGAIN}.
   *
   * @param timeout counted in microseconds; zero waits for ever
   */
  public void setReceiveTimeout(Duration timeout) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment timeval = arena.allocate(JAVA_LONG, 2);
      timeval.setAtIndex(JAVA_LONG, 0, timeout.toSeconds());
      timeval.setAtIndex(JAVA_LONG, 1, timeout.toNanosPart() / 1_000);
      int size = (int) timeval.byteSize();
      int result = NativeSockets.setsockopt(fd.number(), SOL_SOCKET, SO_RCVTIMEO, timeval, size);
      ErrnoException.check(result, "setsockopt SO_RCVTIMEO of " + fd);
    }
  }

  /** The descriptor, to poll; still owned by this object. */
  public Fd fd() {
    return fd;
  }

  /**
   * Takes nothing more in: a thread that waits in {@link #receive} gets 0. The other end does not
   * see the end of the connection before {@link #close}.
   */
  public void endInput() {
    ErrnoException.check(NativeSockets.shutdown(fd.number(), SHUT_RD), "shutdown SHUT_RD of " + fd);
  }

  /** Tells the other end that nothing more will come; what it sends can still be received. */
  public void endOutput() {
    ErrnoException.check(NativeSockets.shutdown(fd.number(), SHUT_WR), "shutdown SHUT_WR of " + fd);
  }

  /**
   * Ends the connection, for a thread that waits in {@link #receive} too, and closes the socket.
   */
  @Override
  public void close() {
    shutDownAndClose(fd);
  }

  static Fd open(int flags) {
    int type = SocketAddress.SOCK_STREAM | SocketAddress.CLOSE_ON_EXEC | flags;
    return Fd.adopt(
        ErrnoException.check(NativeSockets.socket(SocketAddress.AF_UNIX, type, 0), "socket"));
  }

  /** Closing alone would leave a thread waiting that is in accept or receive. */
  static void shutDownAndClose(Fd fd) {
    var _ = NativeSockets.shutdown(fd.number(), SHUT_RDWR);
    fd.close();
  }

  private static void pause(Path path) {
    try {
      Thread.sleep(RETRY_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted while connecting to " + path, e);
    }
  }
}
