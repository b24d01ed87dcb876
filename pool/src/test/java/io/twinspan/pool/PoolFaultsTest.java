package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PoolFaultsTest {
  private final PoolRig rig = new PoolRig(3, 512, 7);

  private int formattedWithData() {
    rig.formatted();
    int volume = rig.create("v", 200);
    assertThat(rig.writeTags(volume, 0, 4, 900)).isEqualTo(PoolStatus.OK);
    return volume;
  }

  private void rot(long[] copy) {
    rig.media.get((int) copy[0]).flipBit(copy[1], 12345);
  }

  @Test
  void rottenCopyIsRepairedFromTheOther() {
    int volume = formattedWithData();
    for (long[] copy : rig.copies(901)) {
      rot(copy);
      for (int i = 0; i < 4; i++) {
        assertThat(rig.read(volume, 0, 4)).containsExactly(900L, 901L, 902L, 903L);
      }
      rig.copies(901); // finds both again
    }
    assertThat(rig.pool.checksumErrors()).isEqualTo(2);
  }

  @Test
  void twoRottenCopiesAreReportedAndNeverReturned() {
    int volume = formattedWithData();
    for (long[] copy : rig.copies(901)) {
      rot(copy);
    }
    for (int i = 0; i < 4; i++) {
      PoolRig.Request read = PoolRig.request(PoolOperation.READ, volume, 0, 4);
      assertThat(rig.run(read)).isEqualTo(PoolStatus.MEDIA_ERROR);
      assertThat(PoolRig.tag(read, 1)).isZero();
      assertThat(PoolRig.tag(read, 2)).isEqualTo(902);
    }
    assertThat(rig.read(volume, 2, 2)).containsExactly(902L, 903L);
    assertThat(rig.writeTags(volume, 1, 1, 50)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 0, 4)).containsExactly(900L, 50L, 902L, 903L);
  }

  @Test
  void unreadableCopyIsReadFromTheOtherAndWrittenAgain() {
    int volume = formattedWithData();
    SimulatedDrive drive = rig.drives.get((int) rig.copies(900)[0][0]);
    drive.fail(DriveOperation.READ, 0x281, 1);
    long writes = drive.submitted(DriveOperation.WRITE);
    for (int i = 0; i < 2; i++) {
      assertThat(rig.read(volume, 0, 4)).containsExactly(900L, 901L, 902L, 903L);
    }
    assertThat(drive.submitted(DriveOperation.WRITE)).isEqualTo(writes + 4);
    assertThat(rig.pool.driveFailed(0) || rig.pool.driveFailed(1) || rig.pool.driveFailed(2))
        .isFalse();
    assertThat(rig.pool.checksumErrors()).isZero();
  }

  @Test
  void driveThatHasNoRoomForAFlushHasNotFlushed() {
    formattedWithData();
    rig.drives.get(1).fail(DriveOperation.FLUSH, Drive.CAPACITY_EXCEEDED, 1);
    rig.flush();
    assertThat(rig.pool.driveFailed(1)).isTrue();
    assertThat(rig.pool.driveFailed(0) || rig.pool.driveFailed(2)).isFalse();
  }

  @Test
  void goesOnWhenADriveIsPulledAndLeavesItOutFromThenOn() {
    int volume = formattedWithData();
    rig.drives.get(1).remove();
    rig.pulled.set(1);
    for (int i = 0; i < 50; i++) {
      assertThat(rig.writeTags(volume, 4 + i, 1, 10 + i)).isEqualTo(PoolStatus.OK);
    }
    assertThat(rig.pool.driveFailed(1)).isTrue();
    assertThat(rig.pool.driveFailed(0)).isFalse();
    assertThat(rig.read(volume, 0, 6)).containsExactly(900L, 901L, 902L, 903L, 10L, 11L);
    rig.flush();
    rig.pulled.clear();
    rig.powerCut();
    assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.driveFailed(1)).isTrue();
    assertThat(rig.read(volume, 0, 6)).containsExactly(900L, 901L, 902L, 903L, 10L, 11L);
  }

  @Test
  void whatWasAbortedIsSentAgainOnce() {
    int volume = formattedWithData();
    SimulatedDrive drive = rig.drives.get(2);
    for (DriveOperation operation : List.of(DriveOperation.WRITE, DriveOperation.FLUSH)) {
      drive.fail(operation, Drive.ABORTED, 1);
      for (int i = 0; i < 20; i++) {
        assertThat(rig.writeTags(volume, i, 1, 10 + i)).isEqualTo(PoolStatus.OK);
      }
      rig.flush();
      assertThat(rig.pool.driveFailed(2)).as(operation.name()).isFalse();
    }

    drive.fail(DriveOperation.WRITE, Drive.ABORTED, 100);
    for (int i = 0; i < 20; i++) {
      assertThat(rig.writeTags(volume, i, 1, 50 + i)).isEqualTo(PoolStatus.OK);
    }
    assertThat(rig.pool.driveFailed(2)).isTrue();
    assertThat(rig.read(volume, 0, 2)).containsExactly(50L, 51L);
  }

  @Test
  void failedWriteFailsTheDriveNotTheRequest() {
    int volume = formattedWithData();
    rig.drives.get(2).fail(DriveOperation.WRITE, 0x280, 1);
    for (int i = 0; i < 20; i++) {
      assertThat(rig.writeTags(volume, i, 1, 10 + i)).isEqualTo(PoolStatus.OK);
    }
    assertThat(rig.pool.driveFailed(2)).isTrue();
    assertThat(rig.read(volume, 0, 2)).containsExactly(10L, 11L);
  }

  @Test
  void losingMoreThanHalfOfTheDrivesAtOnceEndsWritesButNotReads() {
    int volume = formattedWithData();
    long[][] copies = rig.copies(900);
    for (int i = 0; i < 3; i++) {
      if (i != copies[0][0]) {
        rig.drives.get(i).remove();
      }
    }
    PoolRig.Request write = PoolRig.write(volume, 100, 1, 1);
    assertThat(rig.pool.reserve(volume, 100, 1)).isEqualTo(Pool.Grant.GRANTED);
    assertThat(rig.run(write)).isEqualTo(PoolStatus.NO_QUORUM);
    assertThat(rig.flush()).isEqualTo(PoolStatus.NO_QUORUM);
    assertThat(rig.read(volume, 0, 1)).containsExactly(900L);
  }

  @Test
  void openNeedsMoreThanHalfOfTheMembers() {
    formattedWithData();
    rig.pulled.set(0, 2);
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.NO_QUORUM);
    assertThat(rig.pool.state()).isEqualTo(Pool.State.CLOSED);
    rig.pulled.clear(0);
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.driveFailed(1)).isTrue();
    // Drive 1 is no member any more: of the two that are left both are needed.
    rig.pulled.clear();
    rig.pulled.set(0);
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.NO_QUORUM);
  }

  @Test
  void reservationConflictFencesThePool() {
    int volume = formattedWithData();
    List<PoolRig.Request> outstanding = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      rig.pool.reserve(volume, 50 + i, 1);
      outstanding.add(PoolRig.write(volume, 50 + i, 1, 77));
      outstanding.add(PoolRig.request(PoolOperation.READ, volume, i, 1));
    }
    outstanding.add(PoolRig.request(PoolOperation.FLUSH, 0, 0, 0));
    takeDrive(rig.media.get(1));
    takeDrive(rig.media.get(0));
    takeDrive(rig.media.get(2));
    outstanding.forEach(r -> assertThat(rig.pool.submit(r)).isTrue());
    outstanding.forEach(r -> assertThat(rig.await(r)).isEqualTo(PoolStatus.FENCED));
    assertThat(rig.pool.state()).isEqualTo(Pool.State.FENCED);
    assertThat(rig.run(PoolRig.request(PoolOperation.READ, volume, 0, 1)))
        .isEqualTo(PoolStatus.FENCED);
    assertThat(rig.run(c -> rig.pool.createVolume("w", 4096, c))).isEqualTo(PoolStatus.FENCED);
    assertThat(rig.run(c -> rig.pool.settle(c))).isEqualTo(PoolStatus.FENCED);
    rig.pool.abandon();
    assertThat(rig.pool.state()).isEqualTo(Pool.State.CLOSED);
    assertThat(rig.open(true)).isEqualTo(PoolStatus.FENCED);
    assertThat(rig.pool.state()).isEqualTo(Pool.State.FENCED);
  }

  private static void takeDrive(SimulatedMedium medium) {
    SimulatedDrive other = medium.port(99);
    for (DriveOperation operation :
        List.of(DriveOperation.RESERVATION_REGISTER, DriveOperation.RESERVATION_ACQUIRE)) {
      DriveRequest request =
          new DriveRequest() {
            @Override
            public void completed(int status) {
              assertThat(status).isZero();
            }
          };
      request.operation = operation;
      request.key = 99;
      other.submit(request);
      other.doWork();
    }
  }

  @Test
  void fullPoolRefusesNewDataButReadsAndOverwrites() {
    int volume = formattedWithData();
    int big = rig.create("big", 10_000);
    long capacity = rig.pool.capacityBlocks();
    int next = 0;
    while (rig.writeTags(big, next, 8, 10_000 + next) == PoolStatus.OK) {
      next += 8;
    }
    assertThat(capacity - rig.pool.usedBlocks()).isLessThan(8);
    assertThat(rig.writeTags(big, 9000, 8, 1)).isEqualTo(PoolStatus.NO_SPACE);
    for (int i = 0; i < 500; i++) {
      assertThat(rig.writeTags(volume, 0, 4, 20_000 + 4 * i)).isEqualTo(PoolStatus.OK);
    }
    assertThat(rig.read(volume, 0, 1)).containsExactly(20_000L + 4 * 499);
    assertThat(rig.read(big, 0, 8).getFirst()).isEqualTo(10_000L);
    assertThat(rig.zero(big, 0, 16)).isEqualTo(PoolStatus.OK);
    assertThat(rig.writeTags(big, 9000, 16, 1)).isEqualTo(PoolStatus.OK);
    assertThat(rig.writeTags(big, 9100, 16, 1)).isEqualTo(PoolStatus.NO_SPACE);
    assertThat(rig.run(c -> rig.pool.deleteVolume(big, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.writeTags(volume, 100, 32, 1)).isEqualTo(PoolStatus.OK);
  }

  @Test
  void thinDriveThatIsFullEndsWritesWithNoSpaceAndFailsNothing() {
    int volume = formattedWithData();
    SimulatedMedium medium = rig.media.get(0);
    for (SimulatedMedium each : rig.media) {
      each.capacityBlocks(0);
    }
    boolean full = false;
    for (int i = 0; i < 10; i++) {
      PoolStatus status = rig.writeTags(volume, 50 + i, 1, 10 + i);
      assertThat(status).isIn(PoolStatus.OK, PoolStatus.NO_SPACE);
      full |= status == PoolStatus.NO_SPACE;
    }
    assertThat(full).isTrue();
    assertThat(rig.pool.driveFailed(0)).isFalse();
    assertThat(rig.read(volume, 0, 2)).containsExactly(900L, 901L);
    for (SimulatedMedium each : rig.media) {
      each.capacityBlocks(Long.MAX_VALUE);
    }
    assertThat(rig.writeTags(volume, 50, 8, 60)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 50, 2)).containsExactly(60L, 61L);
    assertThat(medium.unflushedBlocks()).isPositive();
  }

  @Test
  void damagedCheckpointPieceIsReadFromAnotherDrive() {
    int volume = formattedWithData();
    for (int i = 0; i < 300; i++) {
      rig.writeTags(volume, i % 200, 1, 5000 + i);
    }
    rig.close();
    for (int block = 8; block < 100; block++) {
      rig.media.get(0).flipBit(block, 777);
    }
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 98, 3)).containsExactly(5298L, 5299L, 5100L);
  }

  @Test
  void damagedMetadataOnAllDrivesIsReportedNotGuessed() {
    int volume = formattedWithData();
    for (int i = 0; i < 300; i++) {
      rig.writeTags(volume, i % 200, 1, 5000 + i);
    }
    rig.close();
    for (SimulatedMedium medium : rig.media) {
      for (int block = 8; block < 60; block++) {
        medium.flipBit(block, 777);
      }
    }
    assertThat(rig.open(true)).isEqualTo(PoolStatus.MEDIA_ERROR);
  }
}
