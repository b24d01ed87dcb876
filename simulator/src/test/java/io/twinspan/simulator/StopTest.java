package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a controller that is told to stop must not leave behind, nor take with it. */
class StopTest extends TwoControllers {
  private static final long B_KEY = 0x1B;

  @Test
  void stopThatTakesLongKeepsWhatOnlyTheLogsHold() {
    a.stallDrives(0, true);
    // All to one block: the drives get them one after the other.
    for (int i = 0; i < 120; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, i)).status).isEqualTo(HostStatus.OK);
    }
    a.node().stop(() -> a.stopped = true);
    array.clock.advance(SimulatedArray.LEASE_NS / 2);
    array.run(12_000);
    a.stallDrives(0, false);
    array.runUntil(() -> a.stopped, "a stopped");
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 119);
  }

  @Test
  void standbyThatStopsKeepsItsMirrorUntilTheOwnerHasItsLogOnTheDrives() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    b.beginStop();
    array.run(500);
    assertThat(b.stopped).isFalse();
    a.kill();
    array.runUntil(() -> b.stopped, "b has taken over and stopped");
    b.endStop();
    a.start();
    SimulatedArray.Ask read = array.done(array.read(a, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 2);
    assertThat(a.saidWritesLost).isFalse();
  }

  @Test
  void standbyThatStopsWaitsForWhatItHasForwarded() {
    a.end.holds = true; // of a read the data stays under way, and its answer behind it
    SimulatedArray.Ask read = array.read(b, volume, 0, BLOCK);
    SimulatedArray.Ask write = array.write(b, volume, BLOCK, BLOCK, 2);
    array.run(200);
    b.beginStop();
    array.runUntil(() -> b.state(0) == PoolState.STOPPED, "b has left the pool");
    array.run(500);
    assertThat(read.status).isNull();
    assertThat(b.stopped).isFalse();
    a.end.holds = false;
    array.runUntil(() -> b.stopped, "b has stopped");
    assertThat(read.status).isEqualTo(HostStatus.OK);
    assertThat(write.status).isEqualTo(HostStatus.OK);
  }

  @Test
  void standbyThatStopsWaitsForNobodyWhenTheLinkIsLost() {
    a.end.holds = true;
    SimulatedArray.Ask read = array.read(b, volume, 0, BLOCK);
    array.run(200);
    b.beginStop();
    array.runUntil(() -> b.state(0) == PoolState.STOPPED, "b has left the pool");
    array.link.linkAllowed = false;
    array.link.cut();
    array.runUntil(() -> b.stopped, "b has stopped");
    assertThat(array.done(read).status).isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void pausedOwnerIsKeptFromTheDrivesAlsoWhenItsPeerHasTakenOverAndStopped() {
    a.stallDrives(0, true);
    for (int i = 0; i < 40; i++) {
      assertThat(array.done(array.write(a, volume, (long) i * BLOCK, BLOCK, 50 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    b.beginStop();
    array.run(500);
    a.paused = true;
    array.link.linkAllowed = false;
    array.link.cutFor(b.end);
    array.runUntil(() -> b.stopped, "b has taken over and stopped");
    b.endStop();
    a.stallDrives(0, false);
    a.paused = false; // what it had under way reaches the drives now
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns the pool again");
    for (int i = 0; i < 40; i++) {
      SimulatedArray.Ask read = array.done(array.read(a, volume, (long) i * BLOCK, BLOCK));
      assertThat(read.at(0)).isEqualTo((byte) (50 + i));
    }
  }

  @Test
  void ownerWhoseStandbyStopsFreezesOnce() {
    List<PoolState> states = new ArrayList<>();
    array.observer =
        (node, pool, state) -> {
          if (node == a && pool == 0) {
            states.add(state);
          }
        };
    b.stop();
    array.run(1000);
    assertThat(states).containsExactly(PoolState.FROZEN, PoolState.SETTLING, PoolState.OWNER_ALONE);
  }

  /** Whether all drives are reserved for a controller. */
  private boolean holds(long key) {
    return b.drives.getFirst().stream().allMatch(drive -> new Report(drive).holder == key);
  }

  /**
   * The owner's log is not on the drives when the link goes; the standby begins to take them, finds
   * that the owner is still there when the link is back, and stands by again: with its mirror, for
   * the owner is fenced by then.
   */
  @Test
  void ownerThatStopsAndIsFencedLosesNothingThatItsMirrorHolds() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    a.beginStop();
    array.run(20);
    array.link.cut();
    array.runUntil(() -> b.state(0) == PoolState.FENCING && holds(B_KEY), "b holds the drives");
    b.stallDrives(0, true);
    array.runUntil(() -> b.state(0) == PoolState.LOST, "b knows that a is there");
    b.stallDrives(0, false);
    array.runUntil(() -> b.state(0) == PoolState.STANDBY, "b stands by");
    assertThat(a.state(0)).isEqualTo(PoolState.STOPPING);
    a.stallDrives(0, false);
    array.runUntil(() -> a.stopped, "a has stopped");
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 2);
    assertThat(b.saidWritesLost).isFalse();
  }
}
