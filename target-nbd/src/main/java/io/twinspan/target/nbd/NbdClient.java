package io.twinspan.target.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A small synchronous NBD client: one connection, one command at a time.
 *
 * <p>Every method waits for its answer, up to the deadline given to {@link #connect}; a {@link
 * NbdDisconnectedException} says that there will be none, and from then on every method throws it.
 * Not thread-safe.
 */
public final class NbdClient implements AutoCloseable {
  private static final int OPTION_REPLY_BYTES = 20;

  private final SocketAddress address;
  private final long deadlineNs;
  private final SocketChannel channel;
  private final Selector selector;
  private final ByteBuffer header = ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES);
  private long sizeBytes;
  private long cookie;
  private boolean dead;

  private NbdClient(SocketAddress address, Duration deadline, SocketChannel channel)
      throws IOException {
    this.address = address;
    this.deadlineNs = deadline.toNanos();
    this.channel = channel;
    this.selector = channel.provider().openSelector();
  }

  /**
   * Connects to an export.
   *
   * @param address TCP or {@link UnixDomainSocketAddress}
   * @param export the export's name; empty for the only one
   * @param deadline longest wait for the connection, and later for each answer
   * @return a client, which the caller closes
   * @throws NbdDisconnectedException when nobody answers there
   * @throws NbdException when the server does not have that export
   */
  public static NbdClient connect(SocketAddress address, String export, Duration deadline) {
    boolean unix = address instanceof UnixDomainSocketAddress;
    NbdClient client;
    try {
      SocketChannel channel =
          unix
              ? SocketChannel.open(StandardProtocolFamily.UNIX)
              : SocketChannel.open(
                  ((InetSocketAddress) address).getAddress() instanceof java.net.Inet6Address
                      ? StandardProtocolFamily.INET6
                      : StandardProtocolFamily.INET);
      channel.configureBlocking(false);
      if (!unix) {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      }
      client = new NbdClient(address, deadline, channel);
    } catch (IOException e) {
      throw new NbdDisconnectedException("cannot open a socket for " + address, e);
    }
    try {
      client.open(export);
      return client;
    } catch (RuntimeException e) {
      client.drop();
      throw e;
    }
  }

  /**
   * The export's size.
   *
   * @return bytes
   */
  public long sizeBytes() {
    return sizeBytes;
  }

  /**
   * Reads until the buffer is full.
   *
   * @param offset first byte in the volume
   * @param into takes up to 32 MiB
   */
  public void read(long offset, ByteBuffer into) {
    request(NbdProtocol.CMD_READ, 0, offset, into.remaining());
    send(header);
    reply("read", offset);
    receive(into);
  }

  /**
   * Writes what the buffer holds.
   *
   * @param offset first byte in the volume
   * @param from up to 32 MiB
   * @param forceUnitAccess whether the bytes must be on the drives before the answer
   */
  public void write(long offset, ByteBuffer from, boolean forceUnitAccess) {
    int flags = forceUnitAccess ? NbdProtocol.CMD_FLAG_FUA : 0;
    request(NbdProtocol.CMD_WRITE, flags, offset, from.remaining());
    if (from.hasRemaining()) {
      send(header, from);
    } else {
      send(header);
    }
    reply("write", offset);
  }

  /** Waits until everything acknowledged before is on the drives. */
  public void flush() {
    command(NbdProtocol.CMD_FLUSH, "flush", 0, 0);
  }

  /**
   * Says that a range is of no use any more; what it reads as is undefined.
   *
   * @param offset first byte in the volume
   * @param lengthBytes up to 4 GiB - 1
   */
  public void trim(long offset, long lengthBytes) {
    command(NbdProtocol.CMD_TRIM, "trim", offset, lengthBytes);
  }

  /**
   * Makes a range read as zeros.
   *
   * @param offset first byte in the volume
   * @param lengthBytes up to 4 GiB - 1
   */
  public void zero(long offset, long lengthBytes) {
    command(NbdProtocol.CMD_WRITE_ZEROES, "zero", offset, lengthBytes);
  }

  /** Takes leave of the server, without waiting for it, and closes the connection. */
  @Override
  public void close() {
    if (!dead) {
      try {
        request(NbdProtocol.CMD_DISC, 0, 0, 0);
        send(header);
      } catch (NbdDisconnectedException e) {
        return; // closed already
      }
    }
    drop();
  }

  private void command(int type, String what, long offset, long lengthBytes) {
    request(type, 0, offset, lengthBytes);
    send(header);
    reply(what, offset);
  }

  private void request(int type, int flags, long offset, long lengthBytes) {
    if (dead) {
      throw new NbdDisconnectedException(address + ": the connection has ended");
    }
    header.clear().putInt(NbdProtocol.REQUEST_MAGIC).putShort((short) flags).putShort((short) type);
    header.putLong(++cookie).putLong(offset).putInt((int) lengthBytes).flip();
  }

  private void reply(String what, long offset) {
    receive(header.clear().limit(NbdProtocol.SIMPLE_REPLY_BYTES));
    header.flip();
    boolean magic = header.getInt() == NbdProtocol.SIMPLE_REPLY_MAGIC;
    int error = header.getInt();
    if (!magic || header.getLong() != cookie) {
      throw died("an answer to no question", null);
    }
    if (error != 0) {
      throw new NbdException(
          "%s: %s at %d was refused with error %d".formatted(address, what, offset, error), error);
    }
  }

  private void open(String export) {
    try {
      long connectDeadline = System.nanoTime() + deadlineNs;
      boolean connected = channel.connect(address);
      while (!connected) {
        await(SelectionKey.OP_CONNECT, connectDeadline);
        connected = channel.finishConnect();
      }
    } catch (IOException e) {
      throw died("cannot connect", e);
    }
    ByteBuffer greeting = receive(ByteBuffer.allocate(18)).flip();
    if (greeting.getLong() != NbdProtocol.NBDMAGIC
        || greeting.getLong() != NbdProtocol.IHAVEOPT
        || (greeting.getShort() & NbdProtocol.FLAG_FIXED_NEWSTYLE) == 0) {
      throw new NbdException(address + ": not an NBD server of the fixed newstyle", 0);
    }
    byte[] name = export.getBytes(UTF_8);
    ByteBuffer go = ByteBuffer.allocate(26 + name.length);
    go.putInt(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES);
    go.putLong(NbdProtocol.IHAVEOPT).putInt(NbdProtocol.OPT_GO).putInt(6 + name.length);
    go.putInt(name.length).put(name).putShort((short) 0);
    send(go.flip());
    boolean done = false;
    while (!done) {
      done = optionReply(export);
    }
  }

  private boolean optionReply(String export) {
    ByteBuffer reply = receive(ByteBuffer.allocate(OPTION_REPLY_BYTES)).flip();
    boolean magic = reply.getLong() == NbdProtocol.OPTION_REPLY_MAGIC;
    int option = reply.getInt();
    int type = reply.getInt();
    int length = reply.getInt();
    if (!magic || option != NbdProtocol.OPT_GO || length < 0 || length > 65536) {
      throw new NbdException(address + ": a malformed answer while negotiating", 0);
    }
    ByteBuffer data = receive(ByteBuffer.allocate(length)).flip();
    if (type < 0) {
      throw new NbdException(
          "%s: export '%s' was refused with 0x%x".formatted(address, export, type), 0);
    }
    if (type == NbdProtocol.REP_INFO
        && length >= 12
        && data.getShort() == NbdProtocol.INFO_EXPORT) {
      sizeBytes = data.getLong();
    }
    return type == NbdProtocol.REP_ACK;
  }

  private void send(ByteBuffer... buffers) {
    long deadline = System.nanoTime() + deadlineNs;
    try {
      while (buffers[buffers.length - 1].hasRemaining()) {
        if (channel.write(buffers) == 0) {
          await(SelectionKey.OP_WRITE, deadline);
        }
      }
    } catch (IOException e) {
      throw died("lost while sending", e);
    }
  }

  private ByteBuffer receive(ByteBuffer into) {
    long deadline = System.nanoTime() + deadlineNs;
    try {
      while (into.hasRemaining()) {
        int count = channel.read(into);
        if (count < 0) {
          throw died("closed by the server", null);
        }
        if (count == 0) {
          await(SelectionKey.OP_READ, deadline);
        }
      }
      return into;
    } catch (IOException e) {
      throw died("lost while waiting for an answer", e);
    }
  }

  private void await(int operation, long deadline) throws IOException {
    long leftNs = deadline - System.nanoTime();
    if (leftNs <= 0) {
      throw died("no progress for " + Duration.ofNanos(deadlineNs).toMillis() + " ms", null);
    }
    SelectionKey key = channel.keyFor(selector);
    if (key == null) {
      channel.register(selector, operation);
    } else {
      key.interestOps(operation);
    }
    selector.select(leftNs / 1_000_000 + 1);
    selector.selectedKeys().clear();
    if (Thread.currentThread().isInterrupted()) {
      throw died("interrupted", null);
    }
  }

  private NbdDisconnectedException died(String how, @Nullable IOException cause) {
    drop();
    String message = address + ": " + how;
    return cause == null
        ? new NbdDisconnectedException(message)
        : new NbdDisconnectedException(message + ": " + cause.getMessage(), cause);
  }

  private void drop() {
    dead = true;
    try (channel;
        selector) {
      header.clear();
    } catch (IOException e) {
      header.clear(); // it is gone either way
    }
  }
}
