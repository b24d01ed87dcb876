package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.Contract;
import io.twinspan.rdma.ChannelSpec.Direction;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChannelPlanTest {
  private static final ChannelSpec SPEC =
      new ChannelSpec(0, "data", Direction.BOTH, 1 << 20, 1 << 20, 1, 8, 8, 64);

  @Test
  void agreesWithItsEqual() {
    assertThat(objection(SPEC, SPEC)).isNull();
    assertThat(
            ChannelPlan.defaults()
                .contract()
                .objection(ChannelPlan.defaults().contract().encoded()))
        .isEmpty();
  }

  @Test
  void refusesAPlanThatDiffersInAnythingAndShowsBothLines() {
    List<ChannelSpec> others = new ArrayList<>();
    others.add(SPEC.withSegments(1 << 20, 1 << 21));
    others.add(SPEC.withSharedReceives(16));
    others.add(SPEC.withPriority(2, 1));
    others.add(SPEC.withPriority(1, 3));
    others.add(SPEC.withCrc(true));
    for (ChannelSpec other : others) {
      assertThat(objection(SPEC, other))
          .contains("channel plans differ")
          .contains(" 1048576 1 8 8");
    }
    assertThat(objection(SPEC, SPEC.withPriority(1, 3))).contains("1 1 -' here", "1 3 -' there");
    assertThat(objection(SPEC, SPEC.withCrc(true))).contains("1 1 -' here", "1 1 crc' there");
  }

  @Test
  void theLargestPlanFitsTheContract() {
    List<ChannelSpec> channels = new ArrayList<>();
    for (int i = 0; i < ChannelPlan.MAX_CHANNELS; i++) {
      channels.add(
          new ChannelSpec(
              i,
              "sixteen letters.",
              Direction.A_TO_B,
              1L << 36,
              1L << 36,
              16,
              4096,
              4096,
              1 << 16,
              4096,
              7,
              64,
              true));
    }
    assertThat(new ChannelPlan(channels).contract().encoded()).hasSizeLessThan(Contract.MAX_BYTES);
  }

  @Test
  void refusesValuesOutOfRange() {
    assertThatThrownBy(() -> SPEC.withPriority(8, 1)).hasMessageContaining("priority 8");
    assertThatThrownBy(() -> SPEC.withPriority(0, 0)).hasMessageContaining("weight 0");
    assertThatThrownBy(() -> SPEC.withSharedReceives(3)).hasMessageContaining("shared receives 3");
  }

  private static String objection(ChannelSpec ours, ChannelSpec theirs) {
    Contract contract = new ChannelPlan(List.of(ours)).contract();
    byte[] peers = new ChannelPlan(List.of(theirs)).contract().encoded();
    return contract.objection(peers).orElse(null);
  }
}
