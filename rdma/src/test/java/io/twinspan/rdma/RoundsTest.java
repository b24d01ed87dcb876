package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How often the link looks at its bridge, whatever its owner does between two rounds. */
class RoundsTest {
  @TempDir Path directory;

  @Test
  void aSideWhoseRoundsSuddenlyTakeLongStillBeats() {
    try (LinkPair pair = new LinkPair(directory, ChannelPlan.defaults())) {
      for (int i = 0; i < 100_000; i++) {
        pair.clock.advance(50);
        pair.a.link.doWork();
        pair.b.link.doWork();
      }
      for (int i = 0; i < 300; i++) {
        for (int ms = 0; ms < 15; ms++) {
          pair.clock.advance(LinkPair.MS);
          pair.a.link.doWork();
        }
        pair.b.link.doWork(); // after 15 ms; the heartbeat's limit is 300
      }
      assertThat(pair.a.downs).isEmpty();
      assertThat(pair.b.downs).isEmpty();
    }
  }
}
