package io.twinspan.pool;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
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
    boolean sound = twice.isEmpty() || sayTwice();
    sayUnreachable();
    long capacity = root.layout.physicalBlocks() - (long) root.slackBlocks;
    if (used.cardinality() > capacity) {
      check.degraded(
          PoolFinding.Kind.SPACE,
          "the volumes hold %d blocks, but the pool is to hold %d at most"
              .formatted(used.cardinality(), capacity));
    }
    return sound;
  }

  /** Blocks of data that the volumes hold; what they share counts once. */
  long usedBlocks() {
    return used.cardinality();
  }

  private void checkNames() {
    Set<String> names = new HashSet<>();
    for (Volume volume : volumes.all()) {
      if (!volume.isDying() && !names.add(volume.name)) {
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

  /** A clone maps what its source maps, at the same block; everything else is wrong. */
  private boolean sayTwice() {
    Map<Integer, Place> first = new HashMap<>();
    List<String> wrong = new ArrayList<>();
    forEachRun(
        volumes,
        root.layout.chunkBlocks(),
        Integer.MAX_VALUE,
        (volume, block, physical, count) -> {
          for (int i = 0; i < count; i++) {
            if (twice.get(physical + i)) {
              Place here = new Place(volume, block + i);
              Place there = first.putIfAbsent(physical + i, here);
              if (there != null && !there.mayShareWith(here)) {
                wrong.add(
                    "%s and %s lie at the same place, block %d of the pool"
                        .formatted(there, here, physical + i));
              }
            }
          }
        });
    wrong.forEach(text -> check.lost(PoolFinding.Kind.DOUBLE_MAPPED, text));
    return wrong.isEmpty();
  }

  private record Place(Volume volume, long block) {
    boolean mayShareWith(Place other) {
      boolean related = volume.origin != 0 || other.volume.origin != 0;
      return related
          && volume != other.volume
          && block == other.block
          && volume.checksum(block) == other.volume.checksum(block);
    }

    @Override
    public String toString() {
      return "block " + block + " of volume " + volume.name;
    }
  }

  /** Data on drives that take no part. */
  private void sayUnreachable() {
    Map<String, Long> unreachable = new HashMap<>();
    forEachRun(
        volumes,
        root.layout.chunkBlocks(),
        Integer.MAX_VALUE,
        (volume, _, physical, count) -> {
          if (!isReachable(physical)) {
            unreachable.merge(volume.name, (long) count, Long::sum);
          }
        });
    unreachable.forEach((name, blocks) ->
        check.lost(
            PoolFinding.Kind.DATA_LOST,
            root.layout.hasParity()
                ? "%d blocks of volume %s are on drives that take no part, too many of them"
                    .formatted(blocks, name)
                : "both copies of %d blocks of volume %s are on drives that take no part"
                    .formatted(blocks, name)));
  }

  private boolean isReachable(int physical) {
    if (check.isUsable(root.layout.drive(physical, 0))) {
      return true;
    }
    return root.layout.hasParity()
        ? check.usableCount() >= root.layout.dataColumns()
        : check.isUsable(root.layout.drive(physical, 1));
  }
}
