package io.twinspan.nvme;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The socket to a vfio-user server: one command at a time, each answered within a deadline. What
 * comes back is bounded and checked here; after anything that breaks the protocol the connection is
 * of no more use.
 *
 * <p>Commands: {@link #command}, fill in the payload, {@link #exchange}; all three under this
 * object's lock. {@link #isPresent} may be called by any thread.
 */
final class VfioUserConnection implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(VfioUserConnection.class);

  /** Commands of the server, which we refuse, that may come before a reply. */
  private static final int MAX_UNASKED = 16;

  private final String name;
  private final Duration timeout;
  private final UnixSocket socket;
  private final Poller poller = new Poller();
  private final VfioUserMessage outgoing;
  private final VfioUserMessage incoming;
  private final List<Fd> received = new ArrayList<>();
  private int nextId;

  /** Whether a reply is owed or made no sense, so that no further command may be sent. */
  private volatile boolean broken;

  /** Whether the server has closed its end, which it does after it let go of our memory. */
  private volatile boolean hungUp;

  /**
   * Connects.
   *
   * @param path the server's socket
   * @param timeout for connecting, and for each reply
   */
  VfioUserConnection(Path path, Duration timeout) {
    this.name = path.toString();
    this.timeout = timeout;
    Arena arena = Arena.ofAuto();
    outgoing = new VfioUserMessage(arena.allocate(VfioUser.MAX_MESSAGE_BYTES, 8));
    incoming = new VfioUserMessage(arena.allocate(VfioUser.MAX_MESSAGE_BYTES, 8));
    socket = UnixSocket.connect(path, timeout);
    socket.setReceiveTimeout(timeout);
    poller.add(socket.fd(), 0);
  }

  /** Begins a command with a zeroed payload. */
  VfioUserMessage command(int command, int payloadBytes) {
    nextId = (nextId + 1) & 0xffff;
    return outgoing.command(nextId, command, payloadBytes);
  }

  /**
   * Sends the command that was begun, and waits for its reply.
   *
   * @param minPayloadBytes the least that the reply must carry
   * @throws RefusedException if the server answers with an error
   * @throws DeviceGoneException if it has closed the connection
   * @throws DeviceHungException if it does not answer, or not as the protocol says
   */
  VfioUserMessage exchange(int minPayloadBytes, Fd... fds) {
    if (broken) {
      throw failure("is of no use any more");
    }
    closeReceived();
    send(outgoing, fds);
    for (int unasked = 0; unasked <= MAX_UNASKED; unasked++) {
      receive();
      if (incoming.isReply()) {
        return checked(minPayloadBytes);
      }
      if (!incoming.noReply()) {
        int id = incoming.id();
        int command = incoming.command();
        send(incoming.error(id, command, Errno.EOPNOTSUPP));
      }
    }
    throw failure("sends commands instead of a reply");
  }

  /** The descriptors that came with the last reply; the caller owns them now. */
  List<Fd> takeFds() {
    List<Fd> fds = List.copyOf(received);
    received.clear();
    return fds;
  }

  /**
   * Whether the server still holds its end of the connection. The kernel closes the socket of a
   * process that dies after it has taken its memory from it.
   */
  boolean isPresent() {
    synchronized (poller) {
      // Under the lock that close() takes: a closed poller may not be asked.
      int events = !hungUp && poller.await(0) > 0 ? poller.events(0) : 0;
      if ((events & (Poller.HANG_UP | Poller.ERROR)) != 0) {
        broken = true;
        hungUp = true;
      }
      return !hungUp;
    }
  }

  /** Tells the server that this was all: when it comes to it, it lets go of us and hangs up. */
  void disconnect() {
    synchronized (poller) {
      broken = true;
      if (!hungUp) {
        try {
          socket.endOutput();
        } catch (TwinspanException e) {
          LOG.debug("{} has hung up just now", name, e);
        }
      }
    }
  }

  Fd fd() {
    return socket.fd();
  }

  @Override
  public void close() {
    synchronized (poller) {
      broken = true;
      hungUp = true;
      poller.close();
    }
    closeReceived();
    socket.close();
  }

  private VfioUserMessage checked(int minPayloadBytes) {
    if (incoming.id() != outgoing.id() || incoming.command() != outgoing.command()) {
      throw failure(
          "answers message %d, command %d, instead of %d, %d"
              .formatted(incoming.id(), incoming.command(), outgoing.id(), outgoing.command()));
    }
    if (incoming.isError()) {
      throw new RefusedException(name, outgoing.command(), incoming.errno());
    }
    if (incoming.payloadBytes() < minPayloadBytes) {
      throw failure(
          "answers command %d with %d bytes, %d are needed"
              .formatted(outgoing.command(), incoming.payloadBytes(), minPayloadBytes));
    }
    return incoming;
  }

  private void send(VfioUserMessage message, Fd... fds) {
    int length = (int) message.size();
    int sent = socket.send(message.buffer(), 0, length, fds);
    while (sent >= 0 && sent < length) {
      int more = socket.send(message.buffer(), sent, length - sent);
      sent = more < 0 ? more : sent + more;
    }
    if (sent < 0) {
      throw failure("takes no message: " + Errno.name(-sent));
    }
  }

  private void receive() {
    receive(0, VfioUser.HEADER_BYTES);
    if (!incoming.hasValidSize()) {
      throw failure("sends a message of %d bytes".formatted(incoming.size()));
    }
    receive(VfioUser.HEADER_BYTES, incoming.payloadBytes());
  }

  private void receive(int offset, int length) {
    long startNs = System.nanoTime();
    int done = 0;
    while (done < length) {
      int count = socket.receive(incoming.buffer(), offset + done, length - done, received);
      if (received.size() > VfioUser.MAX_FDS) {
        throw failure("sends more than %d descriptors".formatted(VfioUser.MAX_FDS));
      }
      if (count == 0) {
        throw failure("has closed the connection");
      }
      boolean late = System.nanoTime() - startNs > timeout.toNanos();
      if (count == -Errno.EAGAIN || (late && done + Math.max(count, 0) < length)) {
        throw failure(
            "has not answered command %d within %s".formatted(outgoing.command(), timeout));
      }
      if (count < 0 && count != -Errno.EINTR) {
        throw failure("can't be read: " + Errno.name(-count));
      }
      done += Math.max(count, 0);
    }
  }

  private NvmeException failure(String what) {
    broken = true;
    closeReceived();
    String message = "vfio-user server " + name + " " + what;
    return isPresent() ? new DeviceHungException(message) : new DeviceGoneException(message);
  }

  private void closeReceived() {
    received.forEach(Fd::close);
    received.clear();
  }
}
