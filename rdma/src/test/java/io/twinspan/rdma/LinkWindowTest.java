package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.SystemClock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LinkWindowTest {
  private static final ChannelPlan PLAN = ChannelPlan.defaults();

  @TempDir Path directory;

  @Test
  void aWindowThatHugePagesHaveRoundedUpFitsThePlan() {
    try (LinkPair pair = new LinkPair(PLAN, side -> bridge(side, 1 << 20), LinkOptions.DEFAULT)) {
      assertThat(pair.a.link.isUp()).isTrue();
      assertThat(pair.b.link.isUp()).isTrue();
    }
  }

  @Test
  void aWindowThatIsTooSmallIsRefused() {
    try (Bridge small = bridge(Side.A, -4096)) {
      assertThatThrownBy(() -> new Link(small, PLAN, SystemClock.INSTANCE))
          .hasMessageContaining("the channel plan needs");
    }
  }

  private Bridge bridge(Side side, long moreBytes) {
    byte[] secret = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    ShmOptions options =
        PLAN.fit(new ShmOptions(side, directory.resolve("link.sock"), new UUID(1, 2), secret))
            .hugePages(false);
    return new ShmBridge(options.windowBytes(PLAN.windowBytes(side) + moreBytes));
  }
}
