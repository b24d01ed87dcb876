package io.twinspan.pool;

import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** The part of {@link PoolCheck} that compares the map with itself and with the drives. */
final class MapCheck {
  /** Goes over a run of blocks of a volume that lie next to each other. */
  interface Visitor {
    void run(Volume volume, long block, int physical, int count);
  }

  private final PoolCheck check;
  private final Superblock root;
  private final VolumeTable volumes;
  private final BitSet used;
  private final BitSet twice = new BitSet();

  MapCheck(PoolCheck check, Superblock root, VolumeTable volumes) {
    this.check = check;
    this.root = root;
    this.volumes = volumes;
    this.used = new BitSet(root.layout.physicalBlocks());
  }

  /** Visits all that is mapped, in runs within chunks. */
  static void forEachRun(VolumeTable volumes, int chunkBlocks, int most, Visitor visitor) {
    for (Volume volume : volumes.all()) {
      for (long block = volume.nextMapped(0); block >= 0; block = volume.nextMapped(block)) {
        int physical = volume.physical(block);
        int inChunk = chunkBlocks - physical % chunkBlocks;
        int count = volume.runLength(block, Math.min(most, inChunk));
        visitor.run(volume, block, physical, count);
        block += count;
      }
    }
  }

  /** Checks it; false when the pool can't be opened because of it. */
  boolean check() {
    checkNames();
    forEachRun(
        volumes,
        root.layout.chunkBlocks(),
        Integer.MAX_VALUE,
        (_, _, physical, count) -> use(physical, count));
    if (!twice.isEmpty()) {
      sayTwice();
    }
    sayUnreachable();
    long capacity = root.layout.physicalBlocks() - (long) root.slackBlocks;
    if (volumes.mappedBlocks() > capacity) {
      check.degraded(
          PoolFinding.Kind.SPACE,
          "the volumes hold %d blocks, but the pool is to hold %d at most"
              .formatted(volumes.mappedBlocks(), capacity));
    }
    return twice.isEmpty();
  }

  private void checkNames() {
    Set<String> names = new HashSet<>();
    for (Volume volume : volumes.all()) {
      if (!names.add(volume.name)) {
        check.degraded(
            PoolFinding.Kind.VOLUME, "two volumes have the name \"" + volume.name + "\"");
      }
    }
  }

  private void use(int physical, int count) {
    for (int i = physical; i < physical + count; i++) {
      if (used.get(i)) {
        twice.set(i);
      }
      used.set(i);
    }
  }

  private void sayTwice() {
    Map<Integer, String> first = new HashMap<>();
    forEachRun(
        volumes,
        root.layout.chunkBlocks(),
        Integer.MAX_VALUE,
        (volume, block, physical, count) -> {
          for (int i = 0; i < count; i++) {
            if (twice.get(physical + i)) {
              String here = "block " + (block + i) + " of volume " + volume.name;
              String there = first.putIfAbsent(physical + i, here);
              if (there != null) {
                check.lost(
                    PoolFinding.Kind.DOUBLE_MAPPED,
                    "%s and %s lie at the same place, block %d of the pool"
                        .formatted(there, here, physical + i));
              }
            }
          }
        });
  }

  /** Data whose copies are both on drives that take no part. */
  private void sayUnreachable() {
    Map<String, Long> unreachable = new HashMap<>();
    forEachRun(
        volumes,
        root.layout.chunkBlocks(),
        Integer.MAX_VALUE,
        (volume, _, physical, count) -> {
          boolean any =
              check.isUsable(root.layout.drive(physical, 0))
                  || check.isUsable(root.layout.drive(physical, 1));
          if (!any) {
            unreachable.merge(volume.name, (long) count, Long::sum);
          }
        });
    unreachable.forEach((name, blocks) ->
        check.lost(
            PoolFinding.Kind.DATA_LOST,
            "both copies of %d blocks of volume %s are on drives that take no part"
                .formatted(blocks, name)));
  }
}
