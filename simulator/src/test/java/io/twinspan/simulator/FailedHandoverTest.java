package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HandoverCompletion;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.SimulatedDrive;
import org.junit.jupiter.api.Test;

/** A handover that the drives refuse. */
class FailedHandoverTest extends TwoControllers {
  /** The handover of pool 0 to b fails because a can't flush two drives. */
  private void handoverFails() {
    array.observer =
        (_, _, state) -> {
          if (state == PoolState.HANDING_OVER) {
            for (SimulatedDrive drive : a.drives.getFirst().subList(0, 2)) {
              drive.fail(DriveOperation.FLUSH, 0x281, 1);
            }
          }
        };
    a.node().handOver(0, HandoverCompletion.NONE);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "taken back");
  }

  @Test
  void peerCanTakeOverAfterAFailedHandover() {
    handoverFails();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_MIRRORED, "mirrored again");
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 7)).status).isEqualTo(HostStatus.OK);
    a.kill();
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.status).isEqualTo(HostStatus.OK);
    assertThat(read.at(0)).isEqualTo((byte) 7);
  }

  @Test
  void mirrorOfBeforeAFailedHandoverIsNotReplayed() {
    for (int i = 0; i < 5; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, 50 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    handoverFails();
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 7)).status).isEqualTo(HostStatus.OK);
    assertThat(a.state(0)).isNotEqualTo(PoolState.OWNER_MIRRORED);
    a.kill();
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.status).isEqualTo(HostStatus.OK);
    assertThat(read.at(0)).isEqualTo((byte) 7);
  }
}
