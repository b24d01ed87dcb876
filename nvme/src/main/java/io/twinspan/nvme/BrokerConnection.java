package io.twinspan.nvme;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import java.util.ArrayList;
import java.util.List;

/** Sends and receives whole {@link BrokerMessage}s; one thread at a time. */
final class BrokerConnection implements AutoCloseable {
  /** The other end has closed the connection, or does not keep to the protocol. */
  static final class EndedException extends NvmeException {
    @java.io.Serial private static final long serialVersionUID = 1L;

    EndedException(String message) {
      super(message);
    }
  }

  private static final int MAX_FDS = 2;

  private final UnixSocket socket;
  private final BrokerMessage message = new BrokerMessage();
  private final List<Fd> received = new ArrayList<>();

  BrokerConnection(UnixSocket socket) {
    this.socket = socket;
  }

  UnixSocket socket() {
    return socket;
  }

  /** The message that was received last, or is to be sent next. */
  BrokerMessage message() {
    return message;
  }

  /** Sends what is in {@link #message}. */
  void send(Fd... fds) {
    int length = BrokerMessage.HEADER_BYTES + message.payloadBytes();
    int sent = socket.send(message.buffer(), 0, length, fds);
    while (sent >= 0 && sent < length) {
      int more = socket.send(message.buffer(), sent, length - sent);
      sent = more < 0 ? more : sent + more;
    }
    if (sent < 0) {
      throw new EndedException("it takes no message: " + Errno.name(-sent));
    }
  }

  /** Waits for a message. */
  BrokerMessage receive() {
    closeReceived();
    receive(0, BrokerMessage.HEADER_BYTES);
    int payload = message.payloadBytes();
    if (payload < 0 || payload > BrokerMessage.MAX_PAYLOAD_BYTES) {
      throw new EndedException("it sends a message of %d bytes".formatted(payload));
    }
    receive(BrokerMessage.HEADER_BYTES, payload);
    return message;
  }

  /** The descriptors that came with the last message; the caller owns them now. */
  List<Fd> takeFds(int count) {
    if (received.size() != count) {
      throw new EndedException(
          "it sends %d descriptors instead of %d".formatted(received.size(), count));
    }
    List<Fd> fds = List.copyOf(received);
    received.clear();
    return fds;
  }

  @Override
  public void close() {
    closeReceived();
    socket.close();
  }

  private void receive(int offset, int length) {
    int done = 0;
    while (done < length) {
      int count = socket.receive(message.buffer(), offset + done, length - done, received);
      if (received.size() > MAX_FDS) {
        throw new EndedException("it sends too many descriptors");
      }
      if (count == 0) {
        throw new EndedException("it has closed the connection");
      }
      if (count == -Errno.EAGAIN) {
        throw new EndedException("it has not answered in time");
      }
      if (count < 0 && count != -Errno.EINTR) {
        throw new EndedException("it can't be read: " + Errno.name(-count));
      }
      done += Math.max(count, 0);
    }
  }

  private void closeReceived() {
    received.forEach(Fd::close);
    received.clear();
  }
}
