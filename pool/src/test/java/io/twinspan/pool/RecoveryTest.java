package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RecoveryTest {
  @Test
  void tornSuperblocksLeaveThePreviousOnes() {
    PoolRig rig = new PoolRig(3, 512, 3).formatted();
    int volume = rig.create("v", 100);
    rig.writeTags(volume, 0, 2, 30);
    assertThat(rig.run(c -> rig.pool.settle(c))).isEqualTo(PoolStatus.OK);
    long epoch = rig.pool.epoch();
    for (int drive = 0; drive < 3; drive++) {
      Superblock[] slots = {superblock(rig, drive, 0), superblock(rig, drive, 1)};
      int newest = slots[0].isNewerThan(slots[1]) ? 0 : 1;
      assertThat(slots[newest].epoch).isEqualTo(epoch);
      rig.media.get(drive).flipBit(newest, 500);
    }
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.epoch()).isEqualTo(epoch);
    assertThat(rig.read(volume, 0, 2)).containsExactly(30L, 31L);
  }

  private static Superblock superblock(PoolRig rig, int drive, int slot) {
    Superblock found = new Superblock(Layout.NONE);
    MemorySegment content = MemorySegment.ofArray(rig.media.get(drive).content(slot));
    assertThat(found.load(content, 0, new Checksums())).isTrue();
    return found;
  }

  /**
   * Blocks that a batch mapped, a later one superseded, and a flush made free, may hold other data
   * already when power is lost: the batch must not be taken for one whose data was lost.
   */
  @Test
  void reuseOfSupersededBlocksDoesNotShortenTheJournal() {
    for (int seed = 0; seed < 60; seed++) {
      PoolRig rig = new PoolRig(2, 320, seed);
      rig.options = new PoolOptions(16, 40, 4, 4, 8, 32, 1 << 20, 64, Redundancy.MIRROR);
      rig.attach();
      rig.formatted();
      int filler = rig.create("filler", 1000);
      int end = 0;
      while (rig.writeTags(filler, end, 4, 1000 + end) == PoolStatus.OK) {
        end += 4;
      }
      rig.flush();
      boolean zeroes = seed % 2 == 0;
      // Takes all that is free, then gives back both this and what it superseded.
      assertThat(rig.writeTags(filler, 0, 32, 5000)).isEqualTo(PoolStatus.OK);
      if (zeroes) {
        assertThat(rig.zero(filler, 0, 32)).isEqualTo(PoolStatus.OK);
      } else {
        assertThat(rig.run(c -> rig.pool.resizeVolume(filler, 16 * 4096, c)))
            .isEqualTo(PoolStatus.OK);
      }
      rig.flush();
      for (int i = 1; i <= 4; i++) {
        int at = zeroes ? end - 16 * i : 0;
        if (rig.pool.reserve(filler, at, 16) == Pool.Grant.GRANTED) {
          rig.pool.submit(PoolRig.write(filler, at, 16, 7000));
        }
      }
      for (int rounds = 0; rounds < seed % 5; rounds++) {
        rig.work();
      }
      rig.powerCut();
      assertThat(rig.open(false)).as("seed " + seed).isEqualTo(PoolStatus.OK);
      if (zeroes) {
        assertThat(rig.read(filler, 0, 32)).as("seed " + seed).containsOnly(0L);
      } else {
        assertThat(rig.pool.volumeBlocks(filler)).as("seed " + seed).isEqualTo(16);
        assertThat(rig.read(filler, 0, 1)).isSubsetOf(List.of(5000L, 7000L));
      }
    }
  }

  @Test
  void whatARecoveryDroppedStaysDropped() {
    int dropped = 0;
    for (int seed = 0; seed < 60; seed++) {
      PoolRig rig = new PoolRig(2, 320, seed);
      rig.formatted();
      int volume = rig.create("v", 100);
      for (int i = 0; i < 10; i++) {
        rig.writeTags(volume, i, 1, 100 + i);
      }
      rig.powerCut();
      assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
      List<Long> found = rig.read(volume, 0, 10);
      dropped += found.contains(0L) ? 1 : 0;
      rig.controllerDies();
      assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
      assertThat(rig.read(volume, 0, 10)).as("seed " + seed).isEqualTo(found);
    }
    assertThat(dropped).isPositive();
  }

  @Test
  void aDyingOwnersLastBatchIsOnAllDrivesAfterRecovery() {
    for (int seed = 0; seed < 40; seed++) {
      PoolRig rig = new PoolRig(3, 320, seed);
      rig.maxDelayTicks = 5;
      rig.attach();
      rig.formatted();
      int volume = rig.create("v", 100);
      rig.pool.reserve(volume, 0, 1);
      rig.pool.submit(PoolRig.write(volume, 0, 1, 9));
      for (int rounds = 0; rounds < seed % 20; rounds++) {
        rig.work();
      }
      rig.powerCut();
      assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
      List<Long> found = rig.read(volume, 0, 1);
      for (int pulled = 0; pulled < 3; pulled++) {
        rig.pulled.clear();
        rig.pulled.set(pulled);
        rig.controllerDies();
        assertThat(rig.open(true)).as("seed " + seed).isIn(PoolStatus.OK, PoolStatus.NO_QUORUM);
        if (rig.pool.state() == Pool.State.OPEN) {
          assertThat(rig.read(volume, 0, 1)).as("seed " + seed).isEqualTo(found);
        }
      }
    }
  }

  private static PoolRig withJournal(int drives, int batches, int delayTicks, long seed) {
    PoolRig rig = new PoolRig(drives, 2048, seed);
    rig.options = new PoolOptions(16, 400, 4, 4, 8, 64, 1 << 20, 64, Redundancy.MIRROR);
    rig.maxDelayTicks = delayTicks;
    rig.attach();
    rig.formatted();
    int volume = rig.create("v", 100);
    for (int i = 0; i < batches; i++) {
      assertThat(rig.writeTags(volume, i % 100, 1, 1000 + i)).isEqualTo(PoolStatus.OK);
    }
    return rig;
  }

  private static byte[] journalBlock(PoolRig rig, int drive, int block) {
    Layout layout = superblock(rig, drive, 0).layout;
    return rig.media.get(drive).content(layout.journalBlock(0, block));
  }

  private static void spoilJournal(PoolRig rig, int drive, int block) {
    Layout layout = superblock(rig, drive, 0).layout;
    rig.media.get(drive).flipBit(layout.journalBlock(0, block), 77);
  }

  /** The first batch creates the volume, each write is one of one block, read by its tag. */
  private static void assertHasAll(PoolRig rig, int batches) {
    int volume = rig.pool.volumes().getFirst().id();
    for (int i = Math.max(0, batches - 100); i < batches; i++) {
      assertThat(rig.read(volume, i % 100, 1)).containsExactly(1000L + i);
    }
  }

  private static void assertJournalsAreTheSame(PoolRig rig, int blocks) {
    for (int drive = 1; drive < rig.media.size(); drive++) {
      for (int block = 0; block < blocks; block++) {
        assertThat(journalBlock(rig, drive, block))
            .as("drive %d, journal block %d", drive, block)
            .isEqualTo(journalBlock(rig, 0, block));
      }
    }
  }

  private static long reads(PoolRig rig) {
    return rig.drives.stream().mapToLong(drive -> drive.submitted(DriveOperation.READ)).sum();
  }

  @Test
  void aJournalIsReadOnceIfDrivesStayedPowered() {
    long[] reads = new long[2];
    for (int i = 0; i < 2; i++) {
      PoolRig rig = withJournal(4, 249, 0, 5);
      rig.flush(); // what is stable is not looked for after a loss of power
      rig.writeTags(rig.pool.volumes().getFirst().id(), 249 % 100, 1, 1000 + 249);
      rig.controllerDies();
      rig.drives.forEach(drive -> drive.maxTransferBlocks(8));
      assertThat(rig.open(i == 0)).isEqualTo(PoolStatus.OK);
      reads[i] = reads(rig);
      assertHasAll(rig, 250);
    }
    assertThat(reads[0]).isLessThan(reads[1] * 3 / 4); // the ends of both halves are asked of all
  }

  @Test
  void aBatchThatIsDamagedOnOneDriveIsReadFromAnother() {
    for (int drive = 0; drive < 3; drive++) {
      for (int block : new int[] {0, 1, 60, 120, 199}) {
        PoolRig rig = withJournal(3, 200, 0, 5);
        spoilJournal(rig, drive, block);
        rig.controllerDies();
        assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
        assertHasAll(rig, 200);
      }
    }
  }

  /** With its power a drive may have lost any batch that was not flushed, and kept later ones. */
  @Test
  void batchesThatADriveLostWithItsPowerAreGivenToIt() {
    for (int drive = 0; drive < 3; drive++) {
      for (int block : new int[] {0, 60, 120, 199}) {
        PoolRig rig = withJournal(3, 200, 0, 5);
        rig.flush(); // else batches would end where the data does
        spoilJournal(rig, drive, block);
        rig.controllerDies();
        assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
        assertHasAll(rig, 200);
        assertJournalsAreTheSame(rig, 201);
      }
    }
  }

  /** Drives that an owner had lost sight of when it died, and not put on record. */
  @Test
  void drivesThatLackBatchesAreGivenThem() {
    for (int lost = 1; lost < 7; lost++) { // as bits; one drive has all
      for (int from : new int[] {0, 1, 70, 190, 199, 200}) {
        PoolRig rig = withJournal(3, 200, 0, 5);
        for (int drive = 0; drive < 3; drive++) {
          for (int block = from; block <= 200 && (lost & 1 << drive) != 0; block++) {
            spoilJournal(rig, drive, block);
          }
        }
        rig.controllerDies();
        assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
        assertHasAll(rig, 200);
        assertJournalsAreTheSame(rig, 201);
      }
    }
  }

  /**
   * A drive goes while a pool is opened after a loss of power: what it alone had is not there, and
   * must not be found in the map.
   */
  @Test
  void aDriveThatGoesInTheMiddleOfARecoveryIsNotReliedOn() {
    int interrupted = 0;
    for (int seed = 0; seed < 120; seed++) {
      PoolRig rig = new PoolRig(3, 320, seed);
      rig.maxDelayTicks = 2;
      rig.attach();
      rig.formatted();
      int volume = rig.create("v", 100);
      for (int i = 0; i < 10; i++) {
        rig.writeTags(volume, i, 1, 100 + i);
      }
      rig.powerCut();
      List<PoolStatus> opened = new ArrayList<>();
      rig.pool.open(PoolRig.ARRAY, 1, false, opened::add);
      for (int rounds = 0; rounds < seed / 2; rounds++) {
        rig.work();
      }
      interrupted += opened.isEmpty() ? 1 : 0;
      rig.drives.get(seed % 3).remove();
      while (opened.isEmpty()) {
        rig.work();
      }
      assertThat(opened).containsExactly(PoolStatus.OK);
      List<Long> found = rig.read(volume, 0, 10); // fails where a block is nowhere
      assertThat(found).as("seed " + seed).hasSize(10);
    }
    assertThat(interrupted).isBetween(20, 119);
  }
}
