package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HandoverCompletion;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PeerLink;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.SimulatedDrive;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** One test for each rule of failover that fails when the rule is taken out. */
class FailoverRulesTest {
  static {
    QuietLogs.set();
  }

  private static final int BLOCK = Drive.BLOCK_BYTES;
  private static final long MANY = 1_000_000;

  private SimulatedArray array;
  private SimulatedArray.Node a;
  private SimulatedArray.Node b;
  private int volume;

  @BeforeEach
  void start() {
    array = new SimulatedArray(7);
    array.givebackDelayNs = Long.MAX_VALUE / 4;
    array.started();
    a = array.a;
    b = array.b;
    volume = array.createVolume(a, 0, "v", 64);
    array.done(array.write(a, volume, 0, BLOCK, 1));
    array.run(200);
  }

  private void failAt(SimulatedArray.Node node, DriveOperation operation) {
    for (SimulatedDrive drive : node.drives.getFirst()) {
      drive.fail(operation, Drive.GONE, MANY);
    }
  }

  private void healAt(SimulatedArray.Node node) {
    node.drives.getFirst().forEach(SimulatedDrive::clearFaults);
  }

  private boolean isRegistered(long key) {
    return media(key) > SimulatedArray.DRIVES / 2;
  }

  private long media(long key) {
    long count = 0;
    for (SimulatedDrive drive : array.a.drives.getFirst()) {
      SimulatedDrive observer = drive.medium().port(0xFF);
      Report report = new Report();
      observer.submit(report);
      while (!report.answered) {
        observer.doWork();
      }
      for (int i = 0; i < report.registrantCount; i++) {
        count += report.registrants[i] == key ? 1 : 0;
      }
    }
    return count;
  }

  private static final class Report extends io.twinspan.pool.DriveRequest {
    boolean answered;

    Report() {
      operation = DriveOperation.RESERVATION_REPORT;
    }

    @Override
    public void completed(int status) {
      answered = true;
    }
  }

  @Test
  void rule1MirroredWriteIsAcknowledgedOnlyWhenTheMirrorHoldsIt() {
    a.end.holds = true;
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 2);
    array.run(2000);
    assertThat(write.status).isNull();
    a.end.holds = false;
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
  }

  @Test
  void rule1WriteAloneIsAcknowledgedOnlyWhenTheDrivesHoldIt() {
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "alone");
    a.stallDrives(0, true);
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 2);
    array.run(2000);
    assertThat(write.status).isNull();
    a.stallDrives(0, false);
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
  }

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

  @Test
  void rule3WriteAloneIsAcknowledgedOnlyAfterThePeerIsFencedAndTheEpochPersisted() {
    long epoch = a.node().status().pools().getFirst().epoch();
    failAt(a, DriveOperation.RESERVATION_PREEMPT);
    b.kill();
    array.runUntil(() -> a.state(0) == PoolState.FROZEN, "frozen");
    SimulatedArray.Ask write = array.write(a, volume, 0, BLOCK, 2);
    array.run(5000);
    assertThat(write.status).isNull();
    assertThat(isRegistered(0x1B)).isTrue();
    healAt(a);
    assertThat(array.done(write).status).isEqualTo(HostStatus.OK);
    assertThat(isRegistered(0x1B)).isFalse();
    assertThat(a.node().status().pools().getFirst().epoch()).isGreaterThan(epoch);
  }

  @Test
  void rule4WithTheLinkLostAndTheDrivesSilentRequestsWaitAndDoNotFail() {
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
  void rule4ReadsWaitWhileTheShelfDiesDriveByDrive() {
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
  void rule4BlocksWithoutACopyFailWhenNoMoreDrivesGo() {
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

  @Test
  void rule4OfTwoThatLoseTheLinkExactlyOneWinsEachPool() {
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
  void rule3WinnerThatDiesBeforeItsLogIsOnTheDrivesLosesNothing() {
    winnerDies(PoolState.SETTLING);
  }

  @Test
  void rule3WinnerThatDiesAsSoonAsItServesLosesNothing() {
    winnerDies(PoolState.OWNER_ALONE);
  }

  private void winnerDies(PoolState when) {
    a.stallDrives(0, true);
    // All to one block: the drives get them one after the other.
    for (int i = 0; i < 40; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, 50 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    array.link.linkAllowed = false;
    array.link.maxDetectionTicks = 400;
    array.link.cutFor(a.end);
    a.stallDrives(0, false);
    array.runUntil(() -> a.state(0) == when, "a has fenced b");
    a.kill();
    array.runUntil(() -> b.state(0) == PoolState.LOST, "b has lost the race");
    a.start();
    array.link.linkAllowed = true;
    SimulatedArray.Ask read = array.done(array.read(a, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule5TakeoverReplaysTheMirrorBeforeItServes() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, 3 * BLOCK, 2)).status).isEqualTo(HostStatus.OK);
    assertThat(array.done(array.write(a, volume, BLOCK + 100, 50, 3)).status)
        .isEqualTo(HostStatus.OK);
    a.kill();
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, 3 * BLOCK));
    assertThat(read.status).isEqualTo(HostStatus.OK);
    assertThat(read.at(0)).isEqualTo((byte) 2);
    assertThat(read.at(BLOCK + 99)).isEqualTo((byte) 2);
    assertThat(read.at(BLOCK + 100)).isEqualTo((byte) 3);
    assertThat(read.at(3 * BLOCK - 1)).isEqualTo((byte) 2);
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
  void rule5DamageInTheMiddleOfTheMirrorIsNotTakenForItsEnd() {
    a.stallDrives(0, true);
    for (int i = 0; i < 3; i++) {
      assertThat(array.done(array.write(a, volume, (10L + i) * BLOCK, BLOCK, 0x70 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    MemorySegment mirror = b.end.landing(PeerLink.Lane.MIRROR);
    long at = 0;
    while (mirror.get(ValueLayout.JAVA_LONG, at) != 0x7171_7171_7171_7171L) {
      at += 8;
    }
    mirror.set(ValueLayout.JAVA_BYTE, at, (byte) 0x70);
    a.kill();
    // What stands before the damage is there; the rest is said to be lost, and is not half there.
    assertThat(array.done(array.read(b, volume, 10 * BLOCK, BLOCK)).at(0)).isEqualTo((byte) 0x70);
    assertThat(array.done(array.read(b, volume, 11 * BLOCK, BLOCK)).at(0)).isZero();
    assertThat(b.saidWritesLost).isTrue();
  }

  @Test
  void rule5TornEndOfTheMirrorIsNoDamage() {
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 10 * BLOCK, BLOCK, 2)).status)
        .isEqualTo(HostStatus.OK);
    a.end.holds = true;
    array.write(a, volume, 11 * BLOCK, 8 * BLOCK, 3);
    array.run(20);
    a.kill();
    assertThat(array.done(array.read(b, volume, 10 * BLOCK, BLOCK)).at(0)).isEqualTo((byte) 2);
    assertThat(b.saidWritesLost).isFalse();
  }

  @Test
  void rule6ReturningControllerHasTheMirrorBeforeWritesCountOnIt() {
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
  void rule6ReturningControllerIsNotCountedOnBeforeItIsReady() {
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
  void rule7AfterAPauseNothingIsServedFromMemory() {
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

  @Test
  void rule2NothingIsServedFromTheLogOnceTheMirrorIsRevoked() {
    SimulatedArray.Ask read = readAtTheOldOwner(false);
    array.run(2000);
    assertThat(array.done(read).status).isEqualTo(HostStatus.SHUTDOWN);
  }

  @Test
  void rule8ForwardedWriteThatIsNotCommittedDiesWithItsController() {
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

  /** b takes over from a, which is paused, and dies before it has replayed a's log. */
  private void takeoverDies() {
    a.stallDrives(0, true);
    for (int i = 0; i < 40; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, 50 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    a.paused = true;
    array.link.linkAllowed = false;
    array.link.cutFor(b.end);
    array.runUntil(() -> b.state(0) == PoolState.REPLAYING, "b replays");
    b.kill();
    a.stallDrives(0, false);
    a.paused = false;
  }

  @Test
  void rule8FencedOwnerWhosePeerDiedInMidTakeoverHasKeptItsLog() {
    takeoverDies();
    SimulatedArray.Ask read = array.read(a, volume, 0, BLOCK);
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a owns again");
    array.done(read);
    SimulatedArray.Ask again = array.done(array.read(a, volume, 0, BLOCK));
    assertThat(again.at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule8FencedOwnerTellsAReturningPeerThatItHasTheLog() {
    a.stallDrives(0, true);
    takeoverDies();
    array.link.linkAllowed = true;
    b.start();
    SimulatedArray.Ask read = array.done(array.read(b, volume, 0, BLOCK));
    assertThat(read.at(0)).isEqualTo((byte) 89);
  }

  @Test
  void rule8LogThatIsNeededIsWaitedForWhileItsHolderOnlyHangs() {
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
  void rule8LogThatDiedWithItsHolderIsNotWaitedFor() {
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
  void controllerThatLostThePoolTakesItBackWhenItsPeerHasDied() {
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
  void mediumThatIsFullKeepsTheLogNeededUntilThereIsSpace() {
    a.stallDrives(0, true);
    for (int i = 0; i < 10; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, 70 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
    for (SimulatedDrive drive : a.drives.getFirst()) {
      drive.fail(DriveOperation.WRITE, Drive.CAPACITY_EXCEEDED, MANY);
    }
    array.link.linkAllowed = false;
    array.link.maxDetectionTicks = 100_000_000;
    array.link.cutFor(a.end);
    a.stallDrives(0, false);
    array.run(20_000);
    assertThat(a.state(0)).isEqualTo(PoolState.SETTLING);
    a.kill();
    array.link.maxDetectionTicks = 10;
    array.link.cutFor(b.end);
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 79);
  }

  @Test
  void whatWasFlushedSurvivesATakeoverThatDiesInTheMiddle() {
    for (int i = 0; i < 100; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, i)).status).isEqualTo(HostStatus.OK);
    }
    array.done(array.submit(a, HostOperation.FLUSH, volume, 0, 0, 0));
    SimulatedArray.Ask late = array.done(array.write(a, volume, BLOCK, BLOCK, 7));
    assertThat(late.status).isEqualTo(HostStatus.OK);
    a.kill();
    b.drives.getFirst().forEach(drive -> drive.maxDelayTicks(40));
    array.runUntil(() -> b.state(0) == PoolState.REPLAYING, "b replays");
    array.run(60);
    b.kill();
    b.start();
    assertThat(array.done(array.read(b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 99);
  }

  @Test
  void rule9FlushIsAnsweredOnlyWhenTheMirrorKnowsThatAReplayBeginsLater() {
    for (int i = 0; i < 5; i++) {
      assertThat(array.done(array.write(a, volume, 0, BLOCK, i)).status).isEqualTo(HostStatus.OK);
    }
    array.run(500); // all is on the drives
    a.end.holds = true;
    SimulatedArray.Ask flush = array.submit(a, HostOperation.FLUSH, volume, 0, 0, 0);
    array.run(2000);
    assertThat(flush.status).isNull();
    a.end.holds = false;
    assertThat(array.done(flush).status).isEqualTo(HostStatus.OK);
  }

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

  @Test
  void replayOfAFullPoolNeedsNoSpaceForWhatWasGivenUpSince() {
    int capacity = (int) a.node().status().pools().getFirst().capacityBlocks();
    int big = array.createVolume(a, 0, "big", capacity);
    for (int block = 0; block < capacity - 1; block++) {
      assertThat(array.done(array.write(a, big, (long) block * BLOCK, BLOCK, 1)).status)
          .isEqualTo(HostStatus.OK);
    }
    // The mirror knows of a new tail only after an eighth of the ring.
    for (int i = 0; i < 12; i++) {
      array.done(array.write(a, big, 0, BLOCK, 2));
    }
    array.done(array.submit(a, HostOperation.ZERO, big, 0, BLOCK, 0));
    SimulatedArray.Ask last = array.done(array.write(a, big, (capacity - 1L) * BLOCK, BLOCK, 3));
    assertThat(last.status).isEqualTo(HostStatus.OK);
    array.run(200); // the drives have it all
    a.kill();
    assertThat(array.done(array.read(b, big, (capacity - 1L) * BLOCK, BLOCK)).at(0))
        .isEqualTo((byte) 3);
    assertThat(array.done(array.read(b, big, 0, BLOCK)).at(0)).isZero();
  }
}
