package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CloneTest {
  private final PoolRig rig = new PoolRig(3, 1024, 3);

  private static PoolStatus clone(PoolRig rig, int source, String name, boolean readOnly) {
    return rig.run(c -> rig.pool.cloneVolume(source, name, readOnly, c));
  }

  private static int id(PoolRig rig, String name) {
    return rig.pool.volumes().stream()
        .filter(v -> v.name().equals(name))
        .findFirst()
        .orElseThrow()
        .id();
  }

  private int withData() {
    rig.formatted();
    int volume = rig.create("v", 2500);
    for (int i = 0; i < 200; i += 20) {
      assertThat(rig.writeTags(volume, 10L * i, 8, 1000 + i)).isEqualTo(PoolStatus.OK);
    }
    return volume;
  }

  private void assertClean() {
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    assertThat(PoolCheckTest.check(rig).findings()).isEmpty();
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
  }

  @Test
  void snapshotKeepsWhatWasThereAndTakesNoSpace() {
    int volume = withData();
    long used = rig.pool.usedBlocks();
    assertThat(clone(rig, volume, "snap", true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.usedBlocks()).isEqualTo(used);
    int snapshot = id(rig, "snap");
    assertThat(rig.pool.isReadOnly(snapshot)).isTrue();
    assertThat(rig.pool.isReadOnly(volume)).isFalse();
    assertThat(rig.writeTags(volume, 200, 4, 77)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.usedBlocks()).isEqualTo(used + 4);
    assertThat(rig.zero(volume, 400, 8)).isEqualTo(PoolStatus.OK);
    for (int pass = 0; pass < 2; pass++) {
      assertThat(rig.read(volume, 200, 1)).containsExactly(77L);
      assertThat(rig.read(snapshot, 200, 8)).startsWith(1020L, 1021L);
      assertThat(rig.read(snapshot, 400, 1)).containsExactly(1040L);
      assertThat(rig.read(volume, 400, 1)).containsExactly(0L);
      assertThat(rig.pool.usedBlocks()).isEqualTo(used + 4);
      assertClean();
    }
    VolumeInfo info = rig.pool.volumes().get(1);
    assertThat(info.origin()).isEqualTo(volume);
    assertThat(info.readOnly()).isTrue();
  }

  @Test
  void nobodyWritesToASnapshotButToItsClone() {
    int volume = withData();
    assertThat(clone(rig, volume, "snap", true)).isEqualTo(PoolStatus.OK);
    int snapshot = id(rig, "snap");
    assertThat(rig.writeTags(snapshot, 0, 1, 5)).isEqualTo(PoolStatus.INVALID);
    assertThat(rig.zero(snapshot, 0, 1)).isEqualTo(PoolStatus.INVALID);
    assertThat(clone(rig, snapshot, "clone", false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.writeTags(id(rig, "clone"), 0, 1, 5)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(snapshot, 0, 1)).containsExactly(1000L);
    assertThat(rig.read(volume, 0, 1)).containsExactly(1000L);
    assertThat(clone(rig, volume, "snap", true)).isEqualTo(PoolStatus.INVALID);
    assertThat(clone(rig, 99, "other", true)).isEqualTo(PoolStatus.INVALID);
    assertClean();
  }

  @Test
  void writesThatWereGrantedBeforeAreCarriedOutFirst() {
    int volume = withData();
    assertThat(rig.pool.reserve(volume, 0, 2)).isEqualTo(Pool.Grant.GRANTED);
    List<PoolStatus> cloned = new ArrayList<>();
    rig.pool.cloneVolume(volume, "snap", true, cloned::add);
    for (int i = 0; i < 100; i++) {
      rig.work();
    }
    assertThat(cloned).isEmpty();
    assertThat(rig.pool.reserve(volume, 20, 1)).isEqualTo(Pool.Grant.WAIT);
    PoolRig.Request write = PoolRig.write(volume, 0, 2, 600);
    assertThat(rig.run(write)).isEqualTo(PoolStatus.OK);
    for (int i = 0; i < 100; i++) {
      rig.work();
    }
    assertThat(cloned).containsExactly(PoolStatus.OK);
    assertThat(rig.read(id(rig, "snap"), 0, 2)).containsExactly(600L, 601L);
    assertThat(rig.pool.reserve(volume, 20, 1)).isEqualTo(Pool.Grant.GRANTED);
    rig.pool.unreserve(volume, 20, 1);
    assertClean();
  }

  @Test
  void whatIsSharedComesFreeWithItsLastVolume() {
    int volume = withData();
    long used = rig.pool.usedBlocks();
    assertThat(clone(rig, volume, "snap", true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.writeTags(volume, 0, 8, 1)).isEqualTo(PoolStatus.OK);
    assertThat(rig.run(c -> rig.pool.deleteVolume(volume, c))).isEqualTo(PoolStatus.OK);
    runUntilUsed(used);
    assertThat(rig.read(id(rig, "snap"), 0, 1)).containsExactly(1000L);
    assertClean();
    assertThat(rig.run(c -> rig.pool.deleteVolume(id(rig, "snap"), c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.volumes()).isEmpty();
    runUntilUsed(0);
    assertClean();
  }

  private void runUntilUsed(long blocks) {
    for (int i = 0; i < 10_000 && rig.pool.usedBlocks() != blocks; i++) {
      rig.work();
    }
    assertThat(rig.pool.usedBlocks()).isEqualTo(blocks);
  }

  @Test
  void deletionGoesOnAfterACrash() {
    int volume = rig.formatted().create("v", 2000);
    for (int i = 0; i < 900; i += 20) {
      assertThat(rig.writeTags(volume, 2L * i, 20, 1 + i)).isEqualTo(PoolStatus.OK);
    }
    assertThat(rig.run(c -> rig.pool.deleteVolume(volume, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.volumeBlocks(volume)).isEqualTo(-1);
    assertThat(rig.pool.usedBlocks()).isPositive();
    rig.powerCut();
    assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.volumes()).isEmpty();
    int again = rig.create("v", 100);
    runUntilUsed(0);
    assertThat(rig.writeTags(again, 0, 1, 8)).isEqualTo(PoolStatus.OK);
    assertClean();
  }

  @Test
  void blocksOfACloneAreFoundInTheFirstPlaceWhereACheckpointHasThem() {
    int volume = withData();
    for (int i = 0; i < 5; i++) {
      assertThat(clone(rig, volume, "c" + i, false)).isEqualTo(PoolStatus.OK);
      assertThat(rig.writeTags(volume, 8, 1, 50 + i)).isEqualTo(PoolStatus.OK);
    }
    for (int i = 0; i < 300; i++) { // several checkpoints
      assertThat(rig.writeTags(volume, 2400, 1, 9000 + i)).isEqualTo(PoolStatus.OK);
    }
    long used = rig.pool.usedBlocks();
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.usedBlocks()).isEqualTo(used);
    for (int i = 1; i < 5; i++) {
      assertThat(rig.read(id(rig, "c" + i), 8, 1)).containsExactly(49L + i);
      assertThat(rig.read(id(rig, "c" + i), 200, 1)).containsExactly(1020L);
    }
    assertClean();
  }

  @Test
  void clonesAreRefusedBeforeTheMapOutgrowsACheckpoint() {
    int volume = withData();
    int made = 0;
    while (made < 7 && clone(rig, volume, "c" + made, false) == PoolStatus.OK) {
      made++;
    }
    assertThat(made).isEqualTo(7);
    assertThat(clone(rig, volume, "one-too-many", false)).isEqualTo(PoolStatus.INVALID);
    int refused = 0;
    for (int i = 0; i < 7; i++) {
      for (int block = 0; block < 2000; block += 200) {
        PoolStatus status = rig.writeTags(id(rig, "c" + i), block + 1, 1, 7000 + block);
        assertThat(status).isIn(PoolStatus.OK, PoolStatus.NO_SPACE);
        refused += status == PoolStatus.NO_SPACE ? 1 : 0;
      }
    }
    assertThat(refused).isZero(); // 80 blocks, eight times, are well below the limit
    assertClean();
  }

  /**
   * Dies, or loses power, some rounds after a clone was asked for, while the source is overwritten:
   * the clone is there with all that was acknowledged before it, or not at all.
   */
  @Test
  void cloneIsThereAsAWholeOrNotAtAllAfterACrashAtAnyMoment() {
    int there = 0;
    for (int rounds = 0; rounds < 160; rounds++) {
      PoolRig crashed = new PoolRig(3, 400, rounds);
      crashed.options =
          new PoolOptions(16, 12 + rounds % 9, 2, 1, 8, 64, 1 << 20, 32, Redundancy.MIRROR);
      crashed.maxDelayTicks = rounds % 4;
      crashed.attach();
      crashed.formatted();
      int id = crashed.create("v", 1100);
      for (int i = 0; i < 10; i++) {
        assertThat(crashed.writeTags(id, 100L * i, 8, 100 + 10 * i)).isEqualTo(PoolStatus.OK);
      }
      List<PoolStatus> cloned = new ArrayList<>();
      crashed.pool.cloneVolume(id, "snap", true, cloned::add);
      for (int i = 0; i < rounds; i++) {
        crashed.work();
        int block = 100 * (i % 10);
        if (!cloned.isEmpty() && crashed.pool.reserve(id, block, 8) == Pool.Grant.GRANTED) {
          if (!crashed.pool.submit(PoolRig.write(id, block, 8, 5000 + 10 * i))) {
            crashed.pool.unreserve(id, block, 8);
          }
        }
      }
      boolean power = rounds % 3 > 0;
      if (power) {
        crashed.powerCut();
      } else {
        crashed.controllerDies();
      }
      String what = "crash after " + rounds + " rounds";
      assertThat(crashed.open(!power)).as(what).isEqualTo(PoolStatus.OK);
      boolean isThere = crashed.pool.volumes().size() == 2;
      assertThat(isThere || cloned.isEmpty()).as(what).isTrue();
      for (int i = 0; isThere && i < 10; i++) {
        assertThat(crashed.read(id(crashed, "snap"), 100L * i, 1))
            .as(what)
            .containsExactly(100L + 10L * i);
      }
      there += isThere ? 1 : 0;
      assertThat(crashed.close()).isEqualTo(PoolStatus.OK);
      assertThat(PoolCheckTest.check(crashed).findings())
          .as(what)
          .allMatch(f -> f.kind() == PoolFinding.Kind.DATA_COPY);
    }
    assertThat(there).isBetween(40, 158);
  }

  /** A replay must not find the source newer than it was when the clone was made. */
  @Test
  void cloneThatWasAskedForDuringACheckpointIsExactAfterACrash() {
    for (int more = 0; more < 40; more++) {
      PoolRig busy = new PoolRig(3, 1500, more);
      busy.options = new PoolOptions(16, 40, 2, 1, 8, 64, 1 << 20, 64, Redundancy.MIRROR);
      busy.attach();
      busy.formatted();
      int id = busy.create("v", 2000);
      for (int i = 0; i < 700; i++) { // no two in a row: a checkpoint of several pieces
        assertThat(busy.writeTags(id, 2L * i, 1, 100 + i)).isEqualTo(PoolStatus.OK);
      }
      for (int i = 0; i < more; i++) {
        assertThat(busy.writeTags(id, 0, 1, 100)).isEqualTo(PoolStatus.OK);
      }
      List<PoolStatus> cloned = new ArrayList<>();
      busy.pool.cloneVolume(id, "snap", true, cloned::add);
      busy.work();
      for (int i = 0; i < 30 || cloned.isEmpty(); i++) {
        long block = 1398 - 2L * (i % 20);
        if (busy.pool.reserve(id, block, 1) == Pool.Grant.GRANTED
            && !busy.pool.submit(PoolRig.write(id, block, 1, 9000 + i))) {
          busy.pool.unreserve(id, block, 1);
        }
        busy.work();
      }
      busy.controllerDies();
      assertThat(busy.open(true)).isEqualTo(PoolStatus.OK);
      for (int i = 660; i < 700; i++) {
        assertThat(busy.read(id(busy, "snap"), 2L * i, 1))
            .as("clone after %s more writes, block %s", more, 2 * i)
            .containsExactly(100L + i);
      }
    }
  }

  /** A volume of the model: what each block holds. */
  private static final class Model {
    final long[] tags;
    final boolean readOnly;

    Model(long[] tags, boolean readOnly) {
      this.tags = tags;
      this.readOnly = readOnly;
    }
  }

  /** Random writes, zeroes, snapshots, clones, deletions and crashes against a model. */
  @Test
  void volumesHoldWhatTheModelSaysAfterEveryCrash() {
    for (int seed = 0; seed < 60; seed++) {
      try {
        course(seed);
      } catch (AssertionError | RuntimeException failure) {
        throw new AssertionError("seed " + seed + ": " + failure.getMessage(), failure);
      }
    }
  }

  private static void course(int seed) {
    Random random = new Random(seed);
    PoolRig rig = new PoolRig(3, 700, seed);
    rig.maxDelayTicks = random.nextInt(4);
    rig.options =
        new PoolOptions(
            16,
            12 + random.nextInt(20),
            2,
            1 + random.nextInt(3),
            8,
            64,
            1 << 20,
            32,
            Redundancy.MIRROR);
    rig.attach();
    rig.formatted();
    Map<String, Model> models = new HashMap<>();
    rig.create("base", 1200);
    models.put("base", new Model(new long[1200], false));
    long tag = 1;
    for (int step = 0; step < 250; step++) {
      List<String> names = new ArrayList<>(models.keySet());
      String name = names.get(random.nextInt(names.size()));
      Model model = models.get(name);
      int id = id(rig, name);
      int count = 1 + random.nextInt(12);
      int block = random.nextInt(3) * 500 + random.nextInt(60);
      int dice = random.nextInt(100);
      if (dice < 60 && !model.readOnly) {
        PoolStatus status = rig.writeTags(id, block, count, tag);
        assertThat(status).isIn(PoolStatus.OK, PoolStatus.NO_SPACE);
        for (int i = 0; i < count && status == PoolStatus.OK; i++) {
          model.tags[block + i] = tag++;
        }
      } else if (dice < 70 && !model.readOnly) {
        assertThat(rig.zero(id, block, count)).isEqualTo(PoolStatus.OK);
        Arrays.fill(model.tags, block, block + count, 0);
      } else if (dice < 80 && models.size() < 6) {
        boolean readOnly = random.nextBoolean();
        PoolStatus status = clone(rig, id, "n" + step, readOnly);
        assertThat(status)
            .isIn(PoolStatus.OK, PoolStatus.NO_SPACE, PoolStatus.INVALID); // some are dying yet
        if (status == PoolStatus.OK) {
          models.put("n" + step, new Model(model.tags.clone(), readOnly));
        }
      } else if (dice < 86 && models.size() > 1) {
        assertThat(rig.run(c -> rig.pool.deleteVolume(id, c))).isEqualTo(PoolStatus.OK);
        models.remove(name);
      } else if (dice < 90) {
        check(rig, models);
      } else if (dice < 93) {
        rig.controllerDies();
        assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
        check(rig, models);
      } else if (dice < 95) {
        rig.flush();
        rig.powerCut();
        assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
        check(rig, models);
      } else if (dice < 97) {
        assertThat(rig.close()).isEqualTo(PoolStatus.OK);
        assertThat(PoolCheckTest.check(rig).findings()).isEmpty();
        rig.attach();
        assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
      }
    }
    check(rig, models);
  }

  private static void check(PoolRig rig, Map<String, Model> models) {
    assertThat(rig.pool.volumes())
        .extracting(VolumeInfo::name)
        .containsExactlyInAnyOrderElementsOf(models.keySet());
    models.forEach((name, model) -> {
      for (int part = 0; part < 1200; part += 500) {
        for (int at = part; at < part + 80; at += 20) {
          List<Long> found = rig.read(id(rig, name), at, 20);
          for (int i = 0; i < 20; i++) {
            assertThat(found.get(i)).as(name + " block " + (at + i)).isEqualTo(model.tags[at + i]);
          }
        }
      }
    });
  }
}
