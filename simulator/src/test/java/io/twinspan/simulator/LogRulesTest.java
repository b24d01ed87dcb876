package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PeerLink;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.SimulatedDrive;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** What the logs hold is not lost: rules 1, 3, 4 and 9 of docs/failover.md. */
class LogRulesTest extends TwoControllers {
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

  private boolean isRegistered(long key) {
    return media(key) > SimulatedArray.DRIVES / 2;
  }

  private int media(long key) {
    int count = 0;
    for (SimulatedDrive drive : a.drives.getFirst()) {
      Report report = new Report(drive);
      for (int i = 0; i < report.registrantCount; i++) {
        count += report.registrants[i] == key ? 1 : 0;
      }
    }
    return count;
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
    fillTheLog();
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
  void rule3MediumThatIsFullKeepsTheLogNeededUntilThereIsSpace() {
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
  void rule4TakeoverReplaysTheMirrorBeforeItServes() {
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
  void rule4DamageInTheMiddleOfTheMirrorIsNotTakenForItsEnd() {
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
  void rule4TornEndOfTheMirrorIsNoDamage() {
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

  @Test
  void rule9WhatWasFlushedSurvivesATakeoverThatDiesInTheMiddle() {
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
