package io.twinspan.target.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;

/** A client that sends what it is told, sense or nonsense. */
final class RawConnection implements AutoCloseable {
  private final SocketChannel channel;
  final DataInputStream in;

  /** Connects, and says nothing yet. */
  RawConnection(SocketAddress address) throws IOException {
    channel = SocketChannel.open(address);
    in = new DataInputStream(Channels.newInputStream(channel));
  }

  /** Connects to an export, by EXPORT_NAME. */
  RawConnection(SocketAddress address, String export) throws IOException {
    this(address);
    byte[] name = export.getBytes(UTF_8);
    ByteBuffer hello = ByteBuffer.allocate(20 + name.length);
    hello.putInt(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES);
    hello.putLong(NbdProtocol.IHAVEOPT).putInt(NbdProtocol.OPT_EXPORT_NAME).putInt(name.length);
    send(hello.put(name).flip());
    in.readFully(new byte[18 + 10]);
  }

  void request(int type, int flags, long cookie, long offset, int length) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(NbdProtocol.REQUEST_BYTES);
    header.putInt(NbdProtocol.REQUEST_MAGIC).putShort((short) flags).putShort((short) type);
    send(header.putLong(cookie).putLong(offset).putInt(length).flip());
  }

  void send(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
