package io.twinspan.rdma;

import static io.twinspan.rdma.QpState.ERR;
import static io.twinspan.rdma.QpState.INIT;
import static io.twinspan.rdma.QpState.RESET;
import static io.twinspan.rdma.QpState.RTR;
import static io.twinspan.rdma.QpState.RTS;
import static io.twinspan.rdma.QpState.SQD;
import static io.twinspan.rdma.QpState.SQE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class QpStateTest {
  /** The steps of a reliable connected queue pair in verbs (qp_state_table). */
  private static final Map<QpState, Set<QpState>> VERBS = new EnumMap<>(QpState.class);

  static {
    VERBS.put(RESET, EnumSet.of(RESET, INIT));
    VERBS.put(INIT, EnumSet.of(RESET, ERR, INIT, RTR));
    VERBS.put(RTR, EnumSet.of(RESET, ERR, RTS));
    VERBS.put(RTS, EnumSet.of(RESET, ERR, RTS, SQD));
    VERBS.put(SQD, EnumSet.of(RESET, ERR, RTS, SQD));
    VERBS.put(SQE, EnumSet.of(RESET, ERR, RTS));
    VERBS.put(ERR, EnumSet.of(RESET, ERR));
  }

  @Test
  void allowsTheStepsOfVerbsAndNoOthers() {
    for (QpState from : QpState.values()) {
      for (QpState to : QpState.values()) {
        boolean allowed = VERBS.get(from).contains(to);
        assertThat(from.mayBecome(to)).as("%s to %s", from, to).isEqualTo(allowed);
        if (allowed) {
          assertThat(from.transition(to)).isEqualTo(to);
        } else {
          assertThatThrownBy(() -> from.transition(to)).isInstanceOf(IllegalStateException.class);
        }
      }
    }
  }
}
