package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.PeerLink;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.Link;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class RdmaPeerLinkTest {
  private static final UUID ARRAY = new UUID(1, 2);
  private static final byte[] SECRET = new byte[32];
  private static final int MESSAGE_BYTES = 64;

  @TempDir private Path directory;

  /** One controller's end of the link, which says hello as soon as it is up. */
  private static final class End implements PeerLink.Handler, AutoCloseable {
    final List<String> heard = new ArrayList<>();
    private final Link link;
    private final RdmaPeerLink peer;
    private final MemorySegment hello = Arena.ofAuto().allocate(MESSAGE_BYTES, 8);

    End(Side side, Path socket) {
      ChannelPlan plan = ChannelPlan.defaults();
      ShmOptions options = plan.fit(new ShmOptions(side, socket, ARRAY, SECRET));
      link = new Link(new ShmBridge(options), plan, SystemClock.INSTANCE);
      peer = new RdmaPeerLink(link, () -> false);
    }

    void poll() {
      int _ = peer.poll(this);
    }

    @Override
    public void linkUp(long generation) {
      heard.add("up");
      assertThat(peer.send(PeerLink.Lane.MANAGEMENT, hello, MESSAGE_BYTES)).isTrue();
    }

    @Override
    public void linkDown(String reason) {
      heard.add("down");
    }

    @Override
    public void message(PeerLink.Lane lane, MemorySegment message, int lengthBytes) {
      heard.add("message");
    }

    @Override
    public void placed(PeerLink.Lane lane, long token, boolean success) {
      heard.add("placed");
    }

    @Override
    public void close() {
      link.close();
    }
  }

  @Test
  @Timeout(60)
  void aPeerThatIsAheadIsHeardWhenTheLinkIsUp() {
    for (int i = 0; i < 5; i++) {
      Path socket = directory.resolve("link" + i);
      try (End a = new End(Side.A, socket);
          End b = new End(Side.B, socket)) {
        while (b.heard.size() < 2) {
          for (int times = 0; times < 50; times++) {
            a.poll();
          }
          b.poll();
        }
        assertThat(b.heard).containsExactly("up", "message");
      }
      try (End a = new End(Side.A, socket);
          End b = new End(Side.B, socket)) {
        while (a.heard.size() < 2) {
          for (int times = 0; times < 50; times++) {
            b.poll();
          }
          a.poll();
        }
        assertThat(a.heard).containsExactly("up", "message");
      }
    }
  }
}
