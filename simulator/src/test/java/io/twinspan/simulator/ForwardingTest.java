package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import org.junit.jupiter.api.Test;

/** What became of requests that were forwarded when one of the two dies. */
class ForwardingTest extends TwoControllers {
  @Test
  void forwardedWriteThatIsNotCommittedDiesWithItsController() {
    a.stallDrives(0, true);
    // A partial block: the owner has to read first, and can't.
    array.write(b, volume, 10, 20, 9);
    array.run(200);
    b.kill();
    array.run(200);
    assertThat(a.state(0)).isEqualTo(PoolState.FROZEN);
    a.stallDrives(0, false);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    array.run(500);
    SimulatedArray.Ask read = array.done(array.read(a, volume, 0, BLOCK));
    assertThat(read.at(10)).isEqualTo((byte) 1);
  }

  /** The owner has carried out what b forwarded, but its answer is lost when it dies. */
  private SimulatedArray.Ask forwardedAndOverwritten(HostOperation kind, int blocks) {
    a.end.holdsMessages = true;
    SimulatedArray.Ask forwarded = array.submit(b, kind, volume, 0, blocks * BLOCK, 2);
    array.runUntil(
        () -> array.done(array.read(a, volume, 0, BLOCK)).at(0) != 1, "a has carried it out");
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 3)).status).isEqualTo(HostStatus.OK);
    assertThat(forwarded.status).isNull();
    return forwarded;
  }

  @Test
  void forwardedWriteThatTheOwnerHasCarriedOutIsNotRepeatedByTheSurvivor() {
    SimulatedArray.Ask forwarded = forwardedAndOverwritten(HostOperation.WRITE, 3);
    a.kill();
    assertThat(array.done(forwarded).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 3);
    assertThat(array.done(array.read(b, volume, BLOCK, BLOCK)).at(0)).isEqualTo((byte) 2);
  }

  @Test
  void forwardedZeroThatTheOwnerHasCarriedOutIsNotRepeatedByTheSurvivor() {
    SimulatedArray.Ask forwarded = forwardedAndOverwritten(HostOperation.ZERO, 3);
    a.kill();
    assertThat(array.done(forwarded).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 3);
  }

  @Test
  void forwardedWriteThatHasLeftTheLogIsNotRepeatedByTheSurvivor() {
    SimulatedArray.Ask forwarded = forwardedAndOverwritten(HostOperation.WRITE, 1);
    // A flush has the mirror's tail moved beyond it.
    assertThat(array.done(array.submit(a, HostOperation.FLUSH, volume, 0, 0, 0)).status)
        .isEqualTo(HostStatus.OK);
    a.kill();
    assertThat(array.done(forwarded).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 3);
  }

  @Test
  void forwardedWriteThatTheOwnerHasNotCarriedOutIsCarriedOutByTheSurvivor() {
    a.end.holds = true; // it reaches no mirror
    SimulatedArray.Ask forwarded = array.write(b, volume, 0, BLOCK, 2);
    array.run(500);
    a.kill();
    assertThat(array.done(forwarded).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 2);
  }
}
