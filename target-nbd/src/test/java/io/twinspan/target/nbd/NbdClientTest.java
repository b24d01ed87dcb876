package io.twinspan.target.nbd;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class NbdClientTest {
  private static final int MANY = 16;

  /** As one that stands still does, once as many have come as the kernel keeps for it. */
  @Test
  void aServerThatTakesNoConnectionIsGivenUp() throws IOException {
    List<SocketChannel> waiting = new ArrayList<>();
    try (ServerSocketChannel server = ServerSocketChannel.open()) {
      server.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1);
      for (int i = 0; i < MANY; i++) {
        SocketChannel channel = SocketChannel.open();
        waiting.add(channel);
        channel.configureBlocking(false);
        boolean _ = channel.connect(server.getLocalAddress());
      }

      assertThatThrownBy(
              () -> NbdClient.connect(server.getLocalAddress(), "any", Duration.ofMillis(200)))
          .isInstanceOf(NbdDisconnectedException.class)
          .hasMessageContaining("no progress");
    } finally {
      for (SocketChannel channel : waiting) {
        channel.close();
      }
    }
  }
}
