package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import io.twinspan.pool.DriveOperation;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The drives decide who owns a pool, and hosts wait for them. */
class DriveRulesTest extends TwoControllers {
  @Test
  void withTheLinkLostAndTheDrivesSilentRequestsWaitAndDoNotFail() {
    array.link.linkAllowed = false;
    failAt(a, DriveOperation.RESERVATION_REPORT);
    failAt(b, DriveOperation.RESERVATION_REPORT);
    array.link.cut();
    array.runUntil(() -> a.state(0) == PoolState.FROZEN, "a frozen");
    SimulatedArray.Ask atA = array.write(a, volume, 0, BLOCK, 2);
    SimulatedArray.Ask atB = array.read(b, volume, 0, BLOCK);
    array.run(5000);
    assertThat(atA.status).isNull();
    assertThat(atB.status).isNull();
    healAt(a);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a alone");
    healAt(b);
    array.runUntil(() -> b.state(0) == PoolState.LOST, "b lost");
    assertThat(array.done(atA).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(atB).status).isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void ofTwoThatLoseTheLinkExactlyOneWinsEachPool() {
    array.link.linkAllowed = false;
    array.link.cut();
    array.run(5000);
    for (int pool = 0; pool < 2; pool++) {
      boolean atA = a.state(pool) == PoolState.OWNER_ALONE;
      boolean atB = b.state(pool) == PoolState.OWNER_ALONE;
      assertThat(atA ^ atB).isTrue();
      assertThat(atA ? b.state(pool) : a.state(pool)).isEqualTo(PoolState.LOST);
    }
  }

  @Test
  void readsWaitWhileTheShelfDiesDriveByDrive() {
    SimulatedArray four = new SimulatedArray(7, 1024, 4).started();
    int full = four.createVolume(four.a, 0, "full", 64);
    for (long block = 0; block < 64; block++) {
      assertThat(four.done(four.write(four.a, full, block * BLOCK, BLOCK, 1)).status)
          .isEqualTo(HostStatus.OK);
    }
    assertThat(four.done(four.submit(four.a, HostOperation.FLUSH, full, 0, 0, 0)).status)
        .isEqualTo(HostStatus.OK);
    List<SimulatedArray.Ask> reads = new ArrayList<>();
    for (int drive = 0; drive < 4; drive++) {
      four.removeDrive(0, drive);
      for (long block = 0; block < 64; block++) {
        reads.add(four.read(four.a, full, block * BLOCK, BLOCK));
      }
      four.run(500); // 10 ms
    }
    assertThat(reads).extracting(read -> read.status).doesNotContain(HostStatus.IO_ERROR);
    assertThat(reads.getLast().status).isNull();
  }

  @Test
  void blocksWithoutACopyFailWhenNoMoreDrivesGo() {
    SimulatedArray four = new SimulatedArray(7, 1024, 4).started();
    int full = four.createVolume(four.a, 0, "full", 64);
    for (long block = 0; block < 64; block++) {
      four.done(four.write(four.a, full, block * BLOCK, BLOCK, 1));
    }
    four.removeDrive(0, 0);
    four.removeDrive(0, 1);
    List<HostStatus> answers = new ArrayList<>();
    for (long block = 0; block < 64; block++) {
      answers.add(four.done(four.read(four.a, full, block * BLOCK, BLOCK)).status);
    }
    assertThat(answers).contains(HostStatus.IO_ERROR);
  }
}
