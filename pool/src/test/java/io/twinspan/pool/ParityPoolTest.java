package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ParityPoolTest {
  private static final int DRIVES = 6;

  private final PoolRig rig = rig(600, 11);

  private static PoolRig rig(long blocks, long seed) {
    PoolRig rig = new PoolRig(DRIVES, blocks, seed);
    rig.options = PoolRig.SMALL.with(Redundancy.PARITY);
    rig.attach();
    return rig;
  }

  private static int withData(PoolRig rig) {
    rig.formatted();
    int volume = rig.create("v", 400);
    for (int block = 0; block < 200; block += 20) {
      assertThat(rig.writeTags(volume, block, 20, 1000 + block)).isEqualTo(PoolStatus.OK);
    }
    return volume;
  }

  private static void checkData(PoolRig rig, int volume) {
    for (int block = 0; block < 200; block += 20) {
      List<Long> tags = rig.read(volume, block, 20);
      for (int i = 0; i < 20; i++) {
        assertThat(tags.get(i)).as("block " + (block + i)).isEqualTo(1000 + block + i);
      }
    }
    assertThat(rig.read(volume, 200, 20)).containsOnly(0L);
  }

  @Test
  void holdsMoreThanAMirrorOfTheSameDrives() {
    rig.formatted();
    long capacity = rig.pool.capacityBlocks();
    PoolRig mirror = new PoolRig(DRIVES, 600, 11);
    mirror.formatted();
    assertThat(capacity).isGreaterThan(mirror.pool.capacityBlocks());
    assertThat(rig.pool.health().redundancy()).isEqualTo(Redundancy.PARITY);
  }

  @Test
  void isFoundAsWhatItIsWhateverTheOptionsSayThen() {
    int volume = withData(rig);
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    rig.options = PoolRig.SMALL;
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.health().redundancy()).isEqualTo(Redundancy.PARITY);
    checkData(rig, volume);
  }

  @Test
  void survivesTheLossOfAnyTwoDrivesWhileItIsOpenAndWhenItIsOpened() {
    for (int first = 0; first < DRIVES; first++) {
      for (int second = 0; second < first; second++) {
        PoolRig lossy = rig(600, 100 * first + second);
        int volume = withData(lossy);
        lossy.drives.get(first).remove();
        lossy.drives.get(second).remove();
        checkData(lossy, volume);
        assertThat(lossy.writeTags(volume, 0, 20, 1000)).isEqualTo(PoolStatus.OK);
        lossy.pulled.set(first);
        lossy.pulled.set(second);
        lossy.controllerDies();
        assertThat(lossy.open(true)).isEqualTo(PoolStatus.OK);
        checkData(lossy, volume);
        assertThat(lossy.pool.checksumErrors()).isZero();
      }
    }
  }

  @Test
  void opensWithoutTwoDrivesThatWereNeverSaidToHaveFailed() {
    for (int first = 0; first < DRIVES; first++) {
      PoolRig lossy = rig(600, first);
      int volume = withData(lossy);
      lossy.pulled.set(first);
      lossy.pulled.set((first + 1) % DRIVES);
      lossy.controllerDies();
      assertThat(lossy.open(false)).isEqualTo(PoolStatus.OK);
      checkData(lossy, volume);
    }
  }

  @Test
  void freezesWithoutAThirdDriveAndLosesNothing() {
    int volume = withData(rig);
    for (int drive = 0; drive < 3; drive++) {
      rig.drives.get(drive).remove();
    }
    while (rig.work() > 0) {}
    PoolRig.Request write = PoolRig.write(volume, 0, 1, 5);
    if (rig.pool.reserve(volume, 0, 1) == Pool.Grant.GRANTED) {
      assertThat(rig.run(write)).isEqualTo(PoolStatus.NO_QUORUM);
    }
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    checkData(rig, volume);
  }

  private long[] place(long tag) {
    for (int drive = 0; drive < rig.media.size(); drive++) {
      for (long block = 0; block < rig.media.get(drive).blockCount(); block++) {
        MemorySegment data = MemorySegment.ofArray(rig.media.get(drive).content(block));
        if (data.get(ValueLayout.JAVA_LONG_UNALIGNED, 0) == tag
            && data.get(ValueLayout.JAVA_LONG_UNALIGNED, 2048) == tag) {
          return new long[] {drive, block};
        }
      }
    }
    throw new AssertionError("nowhere: " + tag);
  }

  @Test
  void rottenBlockIsMadeAgainFromItsStripeAndRepaired() {
    int volume = withData(rig);
    long[] at = place(1005);
    rig.media.get((int) at[0]).flipBit(at[1], 12345);
    checkData(rig, volume);
    assertThat(rig.pool.checksumErrors()).isOne();
    checkData(rig, volume);
    assertThat(rig.pool.checksumErrors()).isOne();
  }

  @Test
  void rotInTheSameStripeIsNoticedWithOneDriveOut() {
    int volume = withData(rig);
    long[] at = place(1005);
    int out = (int) (at[0] + 1) % DRIVES;
    rig.drives.get(out).remove();
    rig.media.get((int) at[0]).flipBit(at[1], 12345);
    checkData(rig, volume);
  }

  @Test
  void aScrubPutsRottenDataAndParitiesRight() {
    int volume = withData(rig);
    long stripe = place(1005)[1];
    for (int drive = 0; drive < DRIVES; drive++) { // all columns of stripes, one in each
      rig.media.get(drive).flipBit(stripe, 77);
      assertThat(rig.run(c -> rig.pool.startScrub(c))).isEqualTo(PoolStatus.OK);
      rig.runBackground();
      PoolHealth health = rig.pool.health();
      assertThat(health.scrub()).isEqualTo(PoolHealth.ScrubState.DONE);
      assertThat(health.scrubbed().repairedCopies()).isOne();
      assertThat(health.scrubbed().lostBlocks()).isZero();
      assertThat(health.scrubbed().doneBlocks()).isEqualTo(200);
    }
    assertThat(rig.run(c -> rig.pool.startScrub(c))).isEqualTo(PoolStatus.OK);
    rig.runBackground();
    assertThat(rig.pool.health().scrubbed().repairedCopies()).isZero();
    rig.drives.get(0).remove();
    rig.drives.get(3).remove();
    checkData(rig, volume);
  }

  @Test
  void twoDrivesAreReplacedAndRebuiltThenTwoOthersMayGo() {
    int volume = withData(rig);
    assertThat(rig.run(c -> rig.pool.failDrive(1, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.run(c -> rig.pool.failDrive(4, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.run(c -> rig.pool.failDrive(2, c))).isEqualTo(PoolStatus.INVALID);
    for (int block = 100; block < 200; block += 20) {
      assertThat(rig.writeTags(volume, block, 20, 1000 + block)).isEqualTo(PoolStatus.OK);
    }
    for (int drive : new int[] {1, 4}) {
      assertThat(rig.run(c -> rig.pool.replaceDrive(drive, c))).isEqualTo(PoolStatus.OK);
    }
    checkData(rig, volume);
    rig.runBackground();
    assertThat(rig.pool.health().drives()).containsOnly(PoolHealth.DriveState.MEMBER);
    assertThat(rig.pool.health().rebuilt().lostBlocks()).isZero();
    rig.drives.get(0).remove();
    rig.drives.get(2).remove();
    checkData(rig, volume);
  }

  /** Many small overwrites of a pool that is as full as it may be. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void aFullPoolIsCleanedAndTakesOverwritesForEver(int seed) {
    PoolRig full = rig(400, seed);
    full.formatted();
    int blocks = (int) full.pool.capacityBlocks();
    int volume = full.create("v", blocks);
    long[] tags = new long[blocks];
    Random random = new Random(seed);
    for (int block = 0; block < blocks; block++) {
      tags[block] = 1L + block;
      assertThat(full.writeTags(volume, block, 1, 1 + block)).isEqualTo(PoolStatus.OK);
    }
    for (int i = 0; i < 3 * blocks; i++) {
      int block = random.nextInt(blocks);
      tags[block] = 100_000L + i;
      assertThat(full.writeTags(volume, block, 1, tags[block])).isEqualTo(PoolStatus.OK);
    }
    PoolHealth.Traffic traffic = full.pool.health().traffic();
    assertThat(traffic.writtenBlocks()).isEqualTo(4L * blocks);
    assertThat(traffic.movedBlocks()).isPositive();
    checkTags(full, volume, tags);
    full.powerCut();
    assertThat(full.open(false)).isEqualTo(PoolStatus.OK);
    full.drives.get(seed).remove();
    full.drives.get(0).remove();
    for (int block = 0; block + 8 <= blocks; block += 8) {
      assertThat(full.read(volume, block, 8)).doesNotContain(0L);
    }
  }

  private static void checkTags(PoolRig rig, int volume, long[] tags) {
    List<Long> found = new ArrayList<>();
    for (int block = 0; block < tags.length; block++) {
      found.addAll(rig.read(volume, block, 1));
    }
    for (int block = 0; block < tags.length; block++) {
      assertThat(found.get(block)).as("block " + block).isEqualTo(tags[block]);
    }
  }

  /** What clones share is moved for all of them, and stays shared. */
  @Test
  void cellsThatClonesShareAreMoved() {
    PoolRig shared = rig(400, 5);
    shared.formatted();
    int blocks = (int) shared.pool.capacityBlocks() / 4;
    int volume = shared.create("v", blocks);
    long[] tags = new long[blocks];
    for (int block = 0; block < blocks; block++) {
      tags[block] = 1L + block;
      assertThat(shared.writeTags(volume, block, 1, 1 + block)).isEqualTo(PoolStatus.OK);
    }
    assertThat(shared.run(c -> shared.pool.cloneVolume(volume, "c", false, c)))
        .isEqualTo(PoolStatus.OK);
    assertThat(shared.run(c -> shared.pool.cloneVolume(volume, "s", true, c)))
        .isEqualTo(PoolStatus.OK);
    Random random = new Random(5);
    long[] ofClone = tags.clone();
    int clone = id(shared, "c");
    for (int i = 0; i < 20 * blocks; i++) { // a third of it, over and over
      int block = random.nextInt(blocks / 3);
      boolean source = random.nextBoolean();
      (source ? tags : ofClone)[block] = 100_000L + i;
      assertThat(shared.writeTags(source ? volume : clone, block, 1, 100_000 + i))
          .isEqualTo(PoolStatus.OK);
    }
    assertThat(shared.pool.health().traffic().movedBlocks()).isPositive();
    assertThat(shared.pool.usedBlocks()).isLessThanOrEqualTo(blocks * 5 / 3 + 1);
    checkTags(shared, volume, tags);
    checkTags(shared, clone, ofClone);
    assertThat(shared.close()).isEqualTo(PoolStatus.OK);
    shared.attach();
    assertThat(shared.open(false)).isEqualTo(PoolStatus.OK);
    checkTags(shared, volume, tags);
    checkTags(shared, clone, ofClone);
    for (int block = 0; block < blocks; block++) {
      tags[block] = 1L + block;
    }
    checkTags(shared, id(shared, "s"), tags);
  }

  private static List<PoolFinding> findings(PoolRig rig, PoolFinding.Kind kind) {
    return PoolCheckTest.check(rig).findings().stream().filter(f -> f.kind() == kind).toList();
  }

  @Test
  void aCheckFindsWhatIsWrongInDataAndParitiesAndNothingElse() {
    var _ = withData(rig);
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    PoolReport clean = PoolCheckTest.check(rig);
    assertThat(clean.findings()).isEmpty();
    assertThat(clean.checkedBlocks()).isEqualTo(200);
    long stripe = place(1005)[1];
    for (int drive = 0; drive < DRIVES; drive++) {
      rig.media.get(drive).flipBit(stripe, 77);
      assertThat(findings(rig, PoolFinding.Kind.DATA_COPY)).as("drive " + drive).hasSize(1);
      rig.media.get(drive).flipBit(stripe, 77);
    }
    for (int drive = 0; drive < 3; drive++) {
      rig.media.get(drive).flipBit(stripe, 77);
    }
    assertThat(findings(rig, PoolFinding.Kind.DATA_LOST)).isNotEmpty();
    for (int drive = 0; drive < 3; drive++) {
      rig.media.get(drive).flipBit(stripe, 77);
    }
    rig.pulled.set(0);
    rig.pulled.set(1);
    assertThat(PoolCheckTest.check(rig).opens()).isTrue();
    assertThat(findings(rig, PoolFinding.Kind.DATA_LOST)).isEmpty();
    rig.pulled.set(2);
    assertThat(PoolCheckTest.check(rig).opens()).isFalse();
    assertThat(findings(rig, PoolFinding.Kind.NO_QUORUM)).isNotEmpty();
  }

  private static int id(PoolRig rig, String name) {
    return rig.pool.volumes().stream()
        .filter(v -> v.name().equals(name))
        .findFirst()
        .orElseThrow()
        .id();
  }
}
