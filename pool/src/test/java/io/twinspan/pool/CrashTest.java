package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random work, crashes at random moments, and a model of what a reader may find after each:
 * acknowledged writes after the death of a controller, acknowledged and flushed ones after a loss
 * of power, and never anything that nobody wrote.
 */
class CrashTest {
  /** More with {@code -Dtwinspan.pool.seeds=1000}. */
  private static final int SEEDS_PER_CASE = Integer.getInteger("twinspan.pool.seeds", 25);

  private static final int VOLUME_BLOCKS = 120;
  private static final int VOLUMES = 3;

  /**
   * What one block may hold: a last certain value and later ones that may or may not be there, in
   * order.
   */
  private static final class BlockModel {
    /**
     * Values in order of submission; the first is the oldest that may still be seen after a crash.
     */
    final List<Long> possible = new ArrayList<>(List.of(0L));

    /** Those of them that were acknowledged, by position: the index of the newest one. */
    int acknowledged;
  }

  private static final class Scenario {
    final Random random;
    final PoolRig rig;
    final Map<Integer, BlockModel[]> models = new HashMap<>();
    final List<PoolRig.Request> outstanding = new ArrayList<>();
    final Map<PoolRig.Request, Map<BlockModel, Integer>> effects = new HashMap<>();
    final Map<PoolRig.Request, Map<BlockModel, Integer>> flushCovers = new HashMap<>();
    long nextTag = 1;

    Scenario(long seed, Redundancy redundancy) {
      random = new Random(seed);
      rig = redundancy == Redundancy.MIRROR ? mirrored(seed) : withParity(seed);
      rig.maxDelayTicks = random.nextInt(4) * random.nextInt(8);
      rig.queueDepth = 2 + random.nextInt(40);
      rig.maxTransferBlocks = 1 + random.nextInt(40);
      rig.options =
          new PoolOptions(
              1 << (3 + random.nextInt(3)),
              8 + random.nextInt(20),
              1 + random.nextInt(2),
              1 + random.nextInt(3),
              8,
              32 + 32 * random.nextInt(2),
              random.nextBoolean() ? 1 << 16 : 1 << 22,
              32,
              redundancy);
      rig.attach();
      rig.formatted();
      for (int i = 0; i < VOLUMES; i++) {
        create("v" + i);
      }
      if (random.nextInt(3) == 0) {
        fill();
      }
    }

    private PoolRig mirrored(long seed) {
      return new PoolRig(2 + random.nextInt(3), 320 + random.nextInt(200), seed);
    }

    /** Hardly larger than what is written to it at times, so that it has to be cleaned. */
    private PoolRig withParity(long seed) {
      int drives = 5 + random.nextInt(3);
      return new PoolRig(drives, 130 + 460 / (drives - 2) + random.nextInt(150), seed);
    }

    /** Full pools use the same place again soon. */
    private void fill() {
      for (int volume : models.keySet()) {
        for (int block = 0; block < VOLUME_BLOCKS; block += 20) {
          write(volume, block, 20);
          drain();
        }
      }
    }

    void create(String name) {
      BlockModel[] blocks = new BlockModel[VOLUME_BLOCKS];
      Arrays.setAll(blocks, _ -> new BlockModel());
      models.put(rig.create(name, VOLUME_BLOCKS), blocks);
    }

    void workload(int steps) {
      for (int i = 0; i < steps; i++) {
        submitSomething();
        for (int rounds = random.nextInt(6); rounds > 0; rounds--) {
          rig.work();
        }
        collect();
      }
    }

    private void submitSomething() {
      List<Integer> ids = new ArrayList<>(models.keySet());
      int volume = ids.get(random.nextInt(ids.size()));
      int count = 1 + random.nextInt(random.nextInt(4) == 0 ? 32 : 4);
      int block = random.nextInt(VOLUME_BLOCKS - count + 1);
      int dice = random.nextInt(103);
      if (dice >= 100) {
        maintain(dice);
      } else if (dice < 60) {
        write(volume, block, count);
      } else if (dice < 70) {
        submit(PoolRig.request(PoolOperation.ZERO, volume, block, count), 0);
      } else if (dice < 90) {
        read(volume, block, count);
      } else if (dice < 99) {
        flush();
      } else {
        replaceVolume(volume);
      }
    }

    /** What it does in the background must change nothing that anybody can see. */
    private void maintain(int dice) {
      rig.backgroundBlocks = random.nextInt(3) * 20;
      int drive = random.nextInt(rig.media.size());
      switch (dice) {
        case 100 -> rig.pool.startScrub(_ -> {});
        case 101 -> {
          if (rig.pulled.isEmpty()) {
            rig.pool.failDrive(drive, _ -> {});
          }
        }
        default -> {
          for (int i = 0; i < rig.media.size(); i++) {
            rig.pool.replaceDrive(i, _ -> {});
          }
        }
      }
    }

    /** Whether the pool could lose one more drive. */
    private boolean isWhole() {
      PoolHealth health = rig.pool.health();
      return !health.drives().isEmpty()
          && health.drives().stream().allMatch(d -> d == PoolHealth.DriveState.MEMBER);
    }

    private void flush() {
      PoolRig.Request flush = PoolRig.request(PoolOperation.FLUSH, 0, 0, 0);
      if (rig.pool.submit(flush)) {
        outstanding.add(flush);
        Map<BlockModel, Integer> covers = new HashMap<>();
        models.values().forEach(m -> List.of(m).forEach(b -> covers.put(b, b.acknowledged)));
        flushCovers.put(flush, covers);
      }
    }

    private void write(int volume, int block, int count) {
      if (rig.pool.reserve(volume, block, count) == Pool.Grant.GRANTED) {
        PoolRig.Request write = PoolRig.write(volume, block, count, nextTag);
        if (submit(write, nextTag)) {
          nextTag += count;
        } else {
          rig.pool.unreserve(volume, block, count);
        }
      }
    }

    private boolean submit(PoolRig.Request request, long tag) {
      if (!rig.pool.submit(request)) {
        return false;
      }
      outstanding.add(request);
      Map<BlockModel, Integer> touched = new HashMap<>();
      for (int i = 0; i < request.blockCount; i++) {
        BlockModel model = models.get(request.volume)[(int) request.block + i];
        model.possible.add(tag == 0 ? 0 : tag + i);
        touched.put(model, model.possible.size() - 1);
      }
      effects.put(request, touched);
      return true;
    }

    /** A read sees exactly what was submitted last before it. */
    private void read(int volume, int block, int count) {
      PoolRig.Request read = PoolRig.request(PoolOperation.READ, volume, block, count);
      if (rig.pool.submit(read)) {
        outstanding.add(read);
        Map<BlockModel, Integer> expected = new HashMap<>();
        for (int i = 0; i < count; i++) {
          BlockModel model = models.get(volume)[block + i];
          expected.put(model, model.possible.size() - 1);
        }
        effects.put(read, expected);
      }
    }

    private void replaceVolume(int volume) {
      drain();
      assertThat(rig.run(c -> rig.pool.deleteVolume(volume, c))).isEqualTo(PoolStatus.OK);
      models.remove(volume);
      create("w" + nextTag++);
    }

    private void drain() {
      while (!outstanding.isEmpty()) {
        rig.work();
        collect();
      }
    }

    private void collect() {
      outstanding.removeIf(request -> {
        if (request.answers > 0) {
          assertThat(request.status).isEqualTo(PoolStatus.OK);
          answered(request);
          PoolRig.recycle(request);
        }
        return request.answers > 0;
      });
    }

    private void answered(PoolRig.Request request) {
      switch (request.operation) {
        case READ -> checkRead(request, effects.remove(request));
        case WRITE, ZERO ->
            effects
                .remove(request)
                .forEach(
                    (block, index) -> block.acknowledged = Math.max(block.acknowledged, index));
        case FLUSH -> flushed(flushCovers.remove(request));
      }
    }

    private void checkRead(PoolRig.Request read, Map<BlockModel, Integer> expected) {
      for (int i = 0; i < read.blockCount; i++) {
        BlockModel model = models.get(read.volume)[(int) read.block + i];
        assertThat(PoolRig.tag(read, i)).isEqualTo(model.possible.get(expected.get(model)));
      }
    }

    /**
     * What a flush covers can't be undone: older values become impossible. Positions stay, so they
     * are overwritten.
     */
    private void flushed(Map<BlockModel, Integer> covers) {
      covers.forEach((block, index) -> {
        for (int i = 0; i < index; i++) {
          block.possible.set(i, block.possible.get(index));
        }
      });
    }

    /**
     * Ends the work with a flush and writes right behind it: a moment at which recovery has to be
     * exact.
     */
    void flushThenWrite() {
      drain();
      flush();
      drain();
      List<Integer> ids = new ArrayList<>(models.keySet());
      for (int i = 0; i < 4; i++) {
        write(ids.get(i % ids.size()), random.nextInt(VOLUME_BLOCKS - 10), 1 + random.nextInt(10));
      }
      for (int rounds = random.nextInt(4); rounds > 0; rounds--) {
        rig.work();
      }
    }

    private boolean cut() {
      boolean power = random.nextInt(3) > 0;
      if (power) {
        rig.powerCut();
      } else {
        rig.controllerDies();
      }
      return power;
    }

    /** Hands the pool over in peace: nothing may be missing, nor may a drive still be at work. */
    void handOver() {
      drain();
      assertThat(rig.close()).isEqualTo(PoolStatus.OK);
      rig.attach();
      assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
      models.forEach((id, blocks) -> checkVolume(id, blocks, false));
    }

    void crash() {
      if (rig.media.size() > 2 && rig.pulled.isEmpty() && isWhole() && random.nextInt(4) == 0) {
        rig.pulled.set(random.nextInt(rig.media.size()));
        if (rig.options.redundancy() == Redundancy.PARITY && random.nextBoolean()) {
          rig.pulled.set(random.nextInt(rig.media.size()));
        }
      }
      boolean power = cut();
      while (random.nextInt(3) == 0) {
        rig.pool.open(PoolRig.ARRAY, 1, !power, _ -> {});
        for (int rounds = random.nextInt(30); rounds > 0; rounds--) {
          rig.work();
        }
        power |= cut();
      }
      outstanding.clear();
      effects.clear();
      flushCovers.clear();
      assertThat(rig.open(!power)).isEqualTo(PoolStatus.OK);
      for (Map.Entry<Integer, BlockModel[]> entry : models.entrySet()) {
        checkVolume(entry.getKey(), entry.getValue(), power);
      }
      checkRedundancy();
    }

    /** Every drive that takes part and is not being rebuilt holds what it should. */
    private void checkRedundancy() {
      assertThat(PoolCheckTest.check(rig).findings())
          .filteredOn(
              f -> f.kind() == PoolFinding.Kind.DATA_COPY || f.kind() == PoolFinding.Kind.DATA_LOST)
          .isEmpty();
    }

    private void checkVolume(int volume, BlockModel[] blocks, boolean power) {
      for (int at = 0; at < VOLUME_BLOCKS; at += 30) {
        List<Long> tags = rig.read(volume, at, 30);
        for (int i = 0; i < 30; i++) {
          BlockModel model = blocks[at + i];
          int from = power ? 0 : model.acknowledged;
          Set<Long> allowed =
              new LinkedHashSet<>(model.possible.subList(from, model.possible.size()));
          assertThat(allowed).as("volume %s block %s", volume, at + i).contains(tags.get(i));
          model.possible.clear();
          model.possible.add(tags.get(i));
          model.acknowledged = 0;
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
  void whatWasPromisedIsThereAfterEveryCrash(int group) {
    crashes(group, Redundancy.MIRROR);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
  void whatWasPromisedIsThereAfterEveryCrashWithParities(int group) {
    crashes(group, Redundancy.PARITY);
  }

  private static void crashes(int group, Redundancy redundancy) {
    for (int i = 0; i < SEEDS_PER_CASE; i++) {
      long seed = 10_000L * group + i;
      try {
        Scenario scenario = new Scenario(seed, redundancy);
        for (int crash = 0; crash < 5; crash++) {
          scenario.workload(scenario.random.nextInt(1 + scenario.random.nextInt(250)));
          if (scenario.random.nextInt(3) == 0) {
            scenario.flushThenWrite();
          }
          if (scenario.random.nextInt(5) == 0) {
            scenario.handOver();
          } else {
            scenario.crash();
          }
        }
      } catch (AssertionError | RuntimeException failure) {
        throw new AssertionError("seed " + seed + ": " + failure.getMessage(), failure);
      }
    }
  }
}
