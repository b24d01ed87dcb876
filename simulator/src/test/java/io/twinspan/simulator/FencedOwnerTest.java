package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostStatus;
import io.twinspan.array.PeerLink;
import io.twinspan.array.PoolState;
import io.twinspan.pool.DriveOperation;
import org.junit.jupiter.api.Test;

/** Who may not own the pool any more serves nothing: rules 2 and 8 of docs/failover.md. */
class FencedOwnerTest extends TwoControllers {
  @Test
  void rule2LosingTheLinkRevokesTheMirrorBeforeAnythingElse() {
    a.paused = true;
    array.link.maxDetectionTicks = 0;
    array.link.cut();
    failAt(b, DriveOperation.RESERVATION_REPORT);
    array.runUntil(() -> b.state(0) == PoolState.FENCING, "b fences");
    assertThat(b.end.isGrantedToPeer(PeerLink.Lane.MIRROR)).isFalse();
  }

  /**
   * b hears late that a had lost the pool. By then a owns it again, and mirrors to b. If b took the
   * drives without ending the link, a would go on placing into a mirror that is replayed already.
   */
  @Test
  void rule2StandbyEndsTheLinkBeforeItTakesFromAPeerThatMayOwnAgain() {
    array.link.maxDelayTicks = 0;
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a alone");
    array.link.linkAllowed = false;
    b.start();
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has fenced a");
    b.kill();
    array.observer =
        (node, pool, state) ->
            b.end.holdsMessages |= node == b && pool == 0 && state == PoolState.STANDBY;
    b.start();
    array.link.linkAllowed = true;
    array.runUntil(() -> b.state(0) == PoolState.STANDBY, "b stands by");
    array.observer = (_, _, _) -> {};
    array.run(200);
    b.paused = true;
    a.drives.getFirst().get(2).stall(true); // its answer keeps a from claiming the pool at once
    array.read(a, volume, 0, BLOCK);
    array.runUntil(() -> a.state(0) == PoolState.LOST, "a lost");
    array.run(5); // b is told, and does not hear yet
    a.end.holdsMessages = true;
    a.drives.getFirst().get(2).stall(false);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns again");
    b.end.holdsMessages = false;
    array.runUntil(() -> a.state(0) == PoolState.OWNER_MIRRORED, "a mirrors to b");
    b.end.holdsMessages = true;
    b.paused = false;
    array.runUntil(
        () -> a.state(0) == PoolState.OWNER_ALONE || b.state(0) == PoolState.OWNER_ALONE,
        "decided");
    SimulatedArray.Ask late = array.done(array.write(a, volume, 0, BLOCK, 9));
    assertThat(late.status).isEqualTo(HostStatus.OK);
    a.end.holdsMessages = false;
    b.end.holdsMessages = false;
    array.runUntil(
        () -> b.state(0) == PoolState.STANDBY || b.state(0).isServing(), "b can be asked");
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 9);
  }

  /** A mirrored owner with a value in its log that is not destaged, then replaced at the peer. */
  private SimulatedArray.Ask readAtTheOldOwner(boolean seesOldGrants) {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    a.paused = true;
    a.end.seesOldGrants = seesOldGrants;
    array.link.linkAllowed = false;
    array.link.maxDetectionTicks = seesOldGrants ? 100_000_000 : 10;
    array.link.cutFor(b.end);
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    assertThat(array.done(array.write(b, volume, 0, BLOCK, 3)).status).isEqualTo(HostStatus.OK);
    a.stallDrives(0, false);
    if (seesOldGrants) {
      array.clock.advance(2 * SimulatedArray.LEASE_NS);
    }
    a.paused = false;
    return array.read(a, volume, 0, BLOCK);
  }

  @Test
  void rule8NothingIsServedFromTheLogOnceTheMirrorIsRevoked() {
    SimulatedArray.Ask read = readAtTheOldOwner(false);
    array.run(2000);
    assertThat(array.done(read).status).isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void rule8AfterAPauseNothingIsServedFromMemory() {
    SimulatedArray.Ask read = readAtTheOldOwner(true);
    array.runUntil(() -> a.state(0) == PoolState.LOST, "a lost");
    assertThat(array.done(read).status).isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void rule8OwnerThatIsAloneAndFencedAnswersNothingFromMemory() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    array.link.linkAllowed = false;
    b.start();
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken the pool");
    assertThat(array.done(array.write(b, volume, 5 * BLOCK, BLOCK, 9)).status)
        .isEqualTo(HostStatus.OK);
    assertThat(a.state(0)).isEqualTo(PoolState.OWNER_ALONE);
    // For a nobody ever wrote there.
    assertThat(array.done(array.read(a, volume, 5 * BLOCK, BLOCK)).status)
        .isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void rule8OwnerThatIsAloneAndFencedAnswersNothingFromADriveThatOnlyItReaches() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    array.link.linkAllowed = false;
    b.start();
    b.drives.getFirst().get(0).remove();
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken the pool");
    assertThat(array.done(array.write(b, volume, 0, BLOCK, 9)).status).isEqualTo(HostStatus.OK);
    for (int i = 0; i < 4; i++) {
      assertThat(array.done(array.read(a, volume, 0, BLOCK)).status).isEqualTo(HostStatus.SHUTDOWN);
    }
  }
}
