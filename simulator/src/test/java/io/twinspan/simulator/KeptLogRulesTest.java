package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.SimulatedDrive;
import org.junit.jupiter.api.Test;

/**
 * Who keeps a log that is needed, who waits for it, and who may count on a new one: rules 4 to 7 of
 * docs/failover.md.
 */
class KeptLogRulesTest extends TwoControllers {
  private void takeOverFromPausedOwner() {
    a.paused = true;
    array.link.linkAllowed = false;
    array.link.cutFor(b.end);
    array.runUntil(() -> b.state(0) == PoolState.REPLAYING, "b replays");
  }

  /** b dies before it has replayed a's log, and a wakes. */
  private void takeoverDies() {
    b.kill();
    a.stallDrives(0, false);
    a.paused = false;
  }

  /** b takes a's log over, can't write it to the drives, and dies while it tries. */
  @Test
  void rule4DrivesNameTheLogUntilItsReplayIsComplete() {
    fillTheLog();
    takeOverFromPausedOwner();
    for (SimulatedDrive drive : b.drives.getFirst()) {
      drive.fail(DriveOperation.WRITE, SUPERBLOCKS, MANY, Drive.CAPACITY_EXCEEDED, MANY);
    }
    array.run(2000);
    assertThat(b.state(0)).isEqualTo(PoolState.REPLAYING);
    takeoverDies();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns again");
    assertThat(array.done(array.read(a, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule5FencedOwnerWhosePeerDiedInMidTakeoverHasKeptItsLog() {
    fillTheLog();
    takeOverFromPausedOwner();
    takeoverDies();
    SimulatedArray.Ask read = array.read(a, volume, 0, BLOCK);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns again");
    array.done(read);
    SimulatedArray.Ask again = array.done(array.read(a, volume, 0, BLOCK));
    assertThat(again.at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule5FencedOwnerTellsAReturningPeerThatItHasTheLog() {
    fillTheLog();
    takeOverFromPausedOwner();
    takeoverDies();
    array.link.linkAllowed = true;
    b.start();
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule5ControllerThatLostThePoolTakesItBackWhenItsPeerHasDied() {
    array.link.linkAllowed = false;
    array.link.cutFor(b.end);
    a.paused = true;
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    a.paused = false;
    array.runUntil(() -> a.state(0) == PoolState.LOST, "a lost");
    assertThat(array.done(array.write(b, volume, 0, BLOCK, 5)).status).isEqualTo(HostStatus.OK);
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns again");
    assertThat(array.done(array.read(a, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 5);
  }

  @Test
  void rule6LogThatIsNeededIsWaitedForWhileItsHolderOnlyHangs() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    a.paused = true;
    b.kill();
    b.start();
    array.runUntil(() -> b.state(0) == PoolState.AWAITING_LOG, "b has the drives and lacks a log");
    SimulatedArray.Ask atB = array.read(b, volume, 0, BLOCK);
    array.run(5000);
    assertThat(atB.status).isNull();
    a.paused = false;
    a.stallDrives(0, false);
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 2);
    assertThat(array.done(atB).at(0)).isEqualTo((byte) 2);
  }

  @Test
  void rule6LogThatDiedWithItsHolderIsNotWaitedFor() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    a.paused = true;
    b.kill();
    b.start();
    array.runUntil(() -> b.state(0) == PoolState.AWAITING_LOG, "b has the drives and lacks a log");
    a.kill();
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 1);
  }

  @Test
  void rule6LossOfBothLogsIsSaidByWhoSettlesIt() {
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    a.kill();
    b.kill();
    a.start();
    b.start();
    array.runUntil(array::isWell, "both are back");
    assertThat(a.saidWritesLost || b.saidWritesLost).isTrue();
  }

  @Test
  void rule7ReturningControllerHasTheMirrorBeforeWritesCountOnIt() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    b.start();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_MIRRORED, "mirrored again");
    a.stallDrives(0, true);
    assertThat(array.done(array.write(b, volume, 0, BLOCK, 4)).status).isEqualTo(HostStatus.OK);
    a.kill();
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 4);
  }

  @Test
  void rule7ReturningControllerIsNotCountedOnBeforeItIsReady() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    a.end.holds = true;
    b.start();
    array.runUntil(() -> b.state(0) == PoolState.STANDBY, "standing by");
    array.run(2000);
    assertThat(a.state(0)).isEqualTo(PoolState.RESYNCING);
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 5);
    array.run(1000);
    assertThat(write.status).isNull();
    a.end.holds = false;
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
  }

  /** b gets in step, and for as long as it likes a can't tell the drives so. */
  private void joinWithoutTellingTheDrives() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    for (SimulatedDrive drive : a.drives.getFirst()) {
      drive.fail(DriveOperation.WRITE, 0, SUPERBLOCKS, Drive.CAPACITY_EXCEEDED, MANY);
    }
    b.start();
    array.runUntil(() -> a.state(0) == PoolState.RESYNCING, "b gets in step");
    // In step but for the drives: before that it would wait.
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    assertThat(a.state(0)).isEqualTo(PoolState.RESYNCING);
  }

  @Test
  void rule7WriteWhileThePeerJoinsIsNotAcknowledgedForTheMirrorAlone() {
    joinWithoutTellingTheDrives();
    a.stallDrives(0, true);
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 3);
    array.run(2000);
    assertThat(write.status).isNull();
    a.stallDrives(0, false);
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
  }

  @Test
  void rule7WriteWhileThePeerJoinsIsNotAcknowledgedForTheDrivesAlone() {
    joinWithoutTellingTheDrives();
    a.end.holds = true;
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 3);
    array.run(2000);
    assertThat(write.status).isNull();
    a.end.holds = false;
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
  }
}
