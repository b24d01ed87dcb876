package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.pool.PoolHealth.DriveState;
import io.twinspan.pool.PoolHealth.ScrubState;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SweeperTest {
  private final PoolRig rig = new PoolRig(4, 1024, 5);
  private int volume;

  private void withData() {
    rig.formatted();
    volume = rig.create("v", 300);
    for (int i = 0; i < 240; i += 8) {
      assertThat(rig.writeTags(volume, i, 8, 4000 + i)).isEqualTo(PoolStatus.OK);
    }
    rig.flush();
  }

  private void assertData() {
    for (int i = 0; i < 240; i += 8) {
      assertThat(rig.read(volume, i, 8).getFirst()).isEqualTo(4000L + i);
    }
  }

  private void rot(long tag, int copy) {
    long[] place = rig.copies(tag)[copy];
    rig.media.get((int) place[0]).flipBit(place[1], 4321);
  }

  private void startScrub() {
    assertThat(rig.run(c -> rig.pool.startScrub(c))).isEqualTo(PoolStatus.OK);
  }

  private PoolStatus fail(int drive) {
    return rig.run(c -> rig.pool.failDrive(drive, c));
  }

  private PoolStatus replace(int drive) {
    return rig.run(c -> rig.pool.replaceDrive(drive, c));
  }

  private void assertWholeOnDrives() {
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    assertThat(PoolCheckTest.check(rig).findings()).isEmpty();
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
  }

  @Test
  void scrubRepairsEitherCopyAndCounts() {
    withData();
    rot(4010, 0);
    rot(4011, 1);
    rot(4200, 1);
    startScrub();
    rig.runBackground();
    PoolHealth health = rig.pool.health();
    assertThat(health.scrub()).isEqualTo(ScrubState.DONE);
    assertThat(health.scrubbed()).isEqualTo(new PoolHealth.Progress(240, 240, 3, 0));
    assertThat(rig.pool.checksumErrors()).isEqualTo(3);
    assertThat(rig.copies(4010)).hasDimensions(2, 2);
    assertWholeOnDrives();
    assertThat(rig.pool.health().scrub()).isEqualTo(ScrubState.DONE);
  }

  @Test
  void scrubSaysWhatNoCopyHasAndLeavesItAlone() {
    withData();
    for (long[] place : rig.copies(4100)) {
      rig.media.get((int) place[0]).flipBit(place[1], 4321);
    }
    startScrub();
    rig.runBackground();
    assertThat(rig.pool.health().scrubbed()).isEqualTo(new PoolHealth.Progress(240, 240, 0, 1));
    PoolRig.Request read = PoolRig.request(PoolOperation.READ, volume, 100, 1);
    assertThat(rig.run(read)).isEqualTo(PoolStatus.MEDIA_ERROR);
  }

  @Test
  void scrubRepairsWhatCanNotBeRead() {
    withData();
    long[] place = rig.copies(4020)[1];
    rig.drives.get((int) place[0]).fail(DriveOperation.READ, place[1], 1, 0x281, 1);
    startScrub();
    rig.runBackground();
    assertThat(rig.pool.health().scrubbed().repairedCopies()).isPositive();
    assertThat(rig.pool.checksumErrors()).isZero();
    assertData();
  }

  @Test
  void scrubReadsOnlyWhatItIsAllowedTo() {
    withData();
    startScrub();
    for (int i = 0; i < 1000; i++) {
      rig.work();
    }
    assertThat(rig.pool.health().scrubbed().doneBlocks()).isZero();
    rig.pool.allowBackgroundReads(20);
    for (int i = 0; i < 1000; i++) {
      rig.work();
    }
    assertThat(rig.pool.health().scrubbed().doneBlocks()).isBetween(20L, 51L);
  }

  @Test
  void scrubStopsAndGoesOnWhereItWasAlsoAfterACrash() {
    withData();
    startScrub();
    rig.pool.allowBackgroundReads(60);
    for (int i = 0; i < 1000; i++) {
      rig.work();
    }
    long done = rig.pool.health().scrubbed().doneBlocks();
    assertThat(rig.run(c -> rig.pool.stopScrub(c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.wantsBackgroundReads()).isFalse();
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.health().scrub()).isEqualTo(ScrubState.STOPPED);
    assertThat(rig.pool.health().scrubbed().doneBlocks()).isEqualTo(done);
    startScrub();
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.wantsBackgroundReads()).isTrue();
    rig.runBackground();
    assertThat(rig.pool.health().scrubbed().doneBlocks()).isEqualTo(240);
    assertThat(rig.pool.health().scrub()).isEqualTo(ScrubState.DONE);
  }

  @Test
  void driveThatWasTakenOutIsRebuiltFromTheOthers() {
    withData();
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.health().drives().get(1)).isEqualTo(DriveState.FAILED);
    for (long block = 0; block < 1024; block++) {
      rig.media.get(1).flipBit(block, 12345); // a drive that nobody knows
    }
    assertThat(rig.writeTags(volume, 0, 8, 4000)).isEqualTo(PoolStatus.OK);
    assertThat(replace(1)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.health().drives().get(1)).isEqualTo(DriveState.REBUILDING);
    assertData();
    rig.runBackground();
    assertThat(rig.pool.health().drives()).containsOnly(DriveState.MEMBER);
    assertThat(rig.pool.checksumErrors()).isZero();
    assertWholeOnDrives();
    assertThat(fail(2)).isEqualTo(PoolStatus.OK);
    assertData();
  }

  @Test
  void onlyWhatIsInUseIsReadForARebuild() {
    withData();
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    assertThat(replace(1)).isEqualTo(PoolStatus.OK);
    long reads = submitted(DriveOperation.READ);
    long writes = rig.drives.get(1).submitted(DriveOperation.WRITE);
    rig.runBackground();
    assertThat(submitted(DriveOperation.READ) - reads).isLessThan(240);
    // It is the old drive: nothing was missing but the superblock that says so.
    assertThat(rig.drives.get(1).submitted(DriveOperation.WRITE) - writes).isLessThan(8);
  }

  private long submitted(DriveOperation operation) {
    return rig.drives.stream().mapToLong(drive -> drive.submitted(operation)).sum();
  }

  @Test
  void drivesThatAreNeededAreNotTakenOut() {
    withData();
    assertThat(fail(4)).isEqualTo(PoolStatus.INVALID);
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    assertThat(fail(2)).isEqualTo(PoolStatus.INVALID);
    assertThat(fail(0)).isEqualTo(PoolStatus.INVALID);
    assertThat(replace(0)).isEqualTo(PoolStatus.INVALID);
    assertThat(replace(1)).isEqualTo(PoolStatus.OK);
    assertThat(fail(2)).isEqualTo(PoolStatus.INVALID);
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    assertThat(replace(1)).isEqualTo(PoolStatus.OK);
    rig.runBackground();
    assertThat(fail(2)).isEqualTo(PoolStatus.OK);
    assertData();
  }

  @Test
  void driveThatDiesWhileItIsTakenInIsOutAgain() {
    withData();
    assertThat(fail(1)).isEqualTo(PoolStatus.OK);
    rig.drives.get(1).fail(DriveOperation.WRITE, 0x280, 1);
    assertThat(replace(1)).isEqualTo(PoolStatus.MEDIA_ERROR);
    assertThat(rig.pool.health().drives().get(1)).isEqualTo(DriveState.FAILED);
    assertThat(replace(1)).isEqualTo(PoolStatus.OK);
    rig.runBackground();
    assertWholeOnDrives();
  }

  /** The controller dies, or power is lost, after each round of taking a drive in. */
  @Test
  void rebuildSurvivesACrashAtEveryMoment() {
    for (int rounds = 0; rounds < 120; rounds++) {
      PoolRig crashed = new PoolRig(3, 400, rounds);
      crashed.maxDelayTicks = rounds % 5;
      crashed.attach();
      crashed.formatted();
      int id = crashed.create("v", 100);
      for (int i = 0; i < 96; i += 8) {
        assertThat(crashed.writeTags(id, i, 8, 100 + i)).isEqualTo(PoolStatus.OK);
      }
      crashed.flush();
      int drive = rounds % 3;
      crashed.run(c -> crashed.pool.failDrive(drive, c));
      crashed.writeTags(id, 8, 8, 108);
      crashed.flush();
      for (long block = 0; block < 400; block++) {
        crashed.media.get(drive).flipBit(block, 12345);
      }
      crashed.pool.replaceDrive(drive, _ -> {});
      crashed.backgroundBlocks = 16;
      for (int i = 0; i < 2 * rounds; i++) {
        crashed.work();
      }
      boolean power = rounds % 2 == 0;
      if (power) {
        crashed.powerCut();
      } else {
        crashed.controllerDies();
      }
      String what = "crash after " + 2 * rounds + " rounds";
      assertThat(crashed.open(!power)).as(what).isEqualTo(PoolStatus.OK);
      for (int i = 0; i < 96; i += 8) {
        assertThat(crashed.read(id, i, 8).getLast()).as(what).isEqualTo(107L + i);
      }
      if (crashed.pool.health().drives().get(drive) == DriveState.FAILED) {
        assertThat(crashed.run(c -> crashed.pool.replaceDrive(drive, c)))
            .as(what)
            .isEqualTo(PoolStatus.OK);
      }
      crashed.runBackground();
      assertThat(crashed.pool.health().drives()).as(what).containsOnly(DriveState.MEMBER);
      assertThat(crashed.close()).isEqualTo(PoolStatus.OK);
      assertThat(PoolCheckTest.check(crashed).findings()).as(what).isEmpty();
    }
  }

  /** Writes, rot, scrubs and drives that come and go, all at once. */
  @Test
  void dataStaysRightWhateverGoesOnInTheBackground() {
    for (int seed = 0; seed < 30; seed++) {
      PoolRig busy = new PoolRig(3, 500, seed);
      Random random = new Random(seed);
      busy.maxDelayTicks = random.nextInt(6);
      busy.attach();
      busy.formatted();
      int id = busy.create("v", 120);
      long[] tags = new long[120];
      busy.backgroundBlocks = 1 + random.nextInt(40);
      for (int i = 0; i < 150; i++) {
        int block = random.nextInt(112);
        int count = 1 + random.nextInt(8);
        long tag = 1000L + 10L * i;
        assertThat(busy.writeTags(id, block, count, tag)).isEqualTo(PoolStatus.OK);
        for (int k = 0; k < count; k++) {
          tags[block + k] = tag + k;
        }
        int drive = random.nextInt(3);
        switch (random.nextInt(12)) {
          case 0 -> busy.pool.startScrub(_ -> {});
          case 1 -> busy.pool.failDrive(drive, _ -> {});
          case 2, 3 -> busy.pool.replaceDrive(drive, _ -> {});
          case 4 -> {
            if (busy.pool.health().drives().stream().allMatch(d -> d == DriveState.MEMBER)) {
              long[] copy = busy.copies(tag)[random.nextInt(2)];
              busy.media.get((int) copy[0]).flipBit(copy[1], random.nextInt(32768));
              assertThat(busy.read(id, block, 1)).isEqualTo(List.of(tag));
            }
          }
          default -> {}
        }
      }
      for (int drive = 0; drive < 3; drive++) {
        int index = drive;
        busy.run(c -> busy.pool.replaceDrive(index, c));
      }
      busy.runBackground(); // a scrub that is under way may have passed what rotted since
      busy.run(c -> busy.pool.startScrub(c));
      busy.runBackground();
      String what = "seed " + seed;
      assertThat(busy.pool.health().drives()).as(what).containsOnly(DriveState.MEMBER);
      assertThat(busy.pool.health().scrubbed().lostBlocks()).as(what).isZero();
      for (int block = 0; block < 120; block++) {
        assertThat(busy.read(id, block, 1)).as(what).isEqualTo(List.of(tags[block]));
      }
      assertThat(busy.close()).isEqualTo(PoolStatus.OK);
      assertThat(PoolCheckTest.check(busy).findings()).as(what).isEmpty();
    }
  }
}
