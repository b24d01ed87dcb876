package io.twinspan.pool;

import java.util.Arrays;

/**
 * A volume's map: for each block the physical block and the CRC32C of its data. Leaves of 1024
 * blocks (8 KiB of memory per 4 MiB of volume that holds anything) come and go on demand.
 */
final class Volume {
  /** Most blocks of a volume: 8 TiB less one block. */
  static final long MAX_BLOCKS = Integer.MAX_VALUE;

  static final int LEAF_BLOCKS = 1024;
  private static final int LEAF_SHIFT = 10;
  private static final int LEAF_MASK = LEAF_BLOCKS - 1;
  private static final Leaf EMPTY = new Leaf(0);

  /** Told of each physical block that is no longer referenced. */
  interface Freed {
    /** The block's contents are superseded. */
    void freed(int physical);
  }

  private static final class Leaf {
    /** Physical block + 1; 0 where nothing is mapped. */
    final int[] physical;

    final int[] checksums;
    int mapped;

    Leaf(int blocks) {
      physical = new int[blocks];
      checksums = new int[blocks];
    }
  }

  final int id;
  final String name;
  private long sizeBlocks;
  private long mappedBlocks;
  private Leaf[] leaves = {};

  Volume(int id, String name, long sizeBlocks) {
    this.id = id;
    this.name = name;
    this.sizeBlocks = sizeBlocks;
  }

  long sizeBlocks() {
    return sizeBlocks;
  }

  long mappedBlocks() {
    return mappedBlocks;
  }

  /** The physical block that holds a block, or -1. */
  int physical(long block) {
    Leaf leaf = leaf(block);
    return leaf == EMPTY ? -1 : leaf.physical[(int) block & LEAF_MASK] - 1;
  }

  /** The checksum of a block: of zeros where nothing is mapped. */
  int checksum(long block) {
    Leaf leaf = leaf(block);
    int index = (int) block & LEAF_MASK;
    return leaf == EMPTY || leaf.physical[index] == 0
        ? Checksums.ZERO_BLOCK
        : leaf.checksums[index];
  }

  /** Number of blocks of the range that are not mapped. */
  int unmapped(long block, int count) {
    int unmapped = 0;
    for (int i = 0; i < count; i++) {
      unmapped += physical(block + i) < 0 ? 1 : 0;
    }
    return unmapped;
  }

  private Leaf leaf(long block) {
    int index = (int) (block >> LEAF_SHIFT);
    return index < leaves.length ? leaves[index] : EMPTY;
  }

  private Leaf leafForWriting(long block) {
    int index = (int) (block >> LEAF_SHIFT);
    if (index >= leaves.length) {
      int before = leaves.length;
      leaves = Arrays.copyOf(leaves, Math.max(index + 1, before + (before >> 1)));
      Arrays.fill(leaves, before, leaves.length, EMPTY);
    }
    if (leaves[index] == EMPTY) {
      leaves[index] = new Leaf(LEAF_BLOCKS);
    }
    return leaves[index];
  }

  /**
   * Maps {@code count} blocks to consecutive physical blocks; checksums from {@code words} at
   * {@code offset}.
   */
  void map(long block, int physical, int[] words, int offset, int count, Freed freed) {
    int done = 0;
    while (done < count) {
      Leaf leaf = leafForWriting(block + done);
      int index = (int) (block + done) & LEAF_MASK;
      int step = Math.min(count - done, LEAF_BLOCKS - index);
      int[] target = leaf.physical;
      for (int i = 0; i < step; i++) {
        int before = target[index + i];
        if (before == 0) {
          leaf.mapped++;
          mappedBlocks++;
        } else {
          freed.freed(before - 1);
        }
        target[index + i] = physical + done + i + 1;
      }
      System.arraycopy(words, offset + done, leaf.checksums, index, step);
      done += step;
    }
  }

  /** Unmaps a range; costs as many steps as it has leaves and mapped blocks. */
  void unmap(long block, long count, Freed freed) {
    long end = Math.min(block + count, (long) leaves.length << LEAF_SHIFT);
    for (long at = block; at < end; ) {
      int index = (int) at & LEAF_MASK;
      int step = (int) Math.min(end - at, LEAF_BLOCKS - index);
      Leaf leaf = leaf(at);
      if (leaf != EMPTY) {
        unmap(leaf, index, step, freed);
        if (leaf.mapped == 0) {
          leaves[(int) (at >> LEAF_SHIFT)] = EMPTY;
        }
      }
      at += step;
    }
  }

  private void unmap(Leaf leaf, int index, int count, Freed freed) {
    for (int i = index; i < index + count; i++) {
      if (leaf.physical[i] != 0) {
        freed.freed(leaf.physical[i] - 1);
        leaf.physical[i] = 0;
        leaf.mapped--;
        mappedBlocks--;
      }
    }
  }

  void resize(long blocks, Freed freed) {
    if (blocks < sizeBlocks) {
      unmap(blocks, sizeBlocks - blocks, freed);
    }
    sizeBlocks = blocks;
  }

  /** Marks every physical block that is referenced. */
  void markUsed(SpaceMap space) {
    for (Leaf leaf : leaves) {
      if (leaf != EMPTY) {
        space.useEach(leaf.physical);
      }
    }
  }

  /** First mapped block at or after {@code block}, or -1. */
  long nextMapped(long block) {
    for (long at = block; at >> LEAF_SHIFT < leaves.length; at = (at | LEAF_MASK) + 1) {
      Leaf leaf = leaf(at);
      if (leaf != EMPTY) {
        for (int i = (int) at & LEAF_MASK; i < LEAF_BLOCKS; i++) {
          if (leaf.physical[i] != 0) {
            return (at & ~(long) LEAF_MASK) + i;
          }
        }
      }
    }
    return -1;
  }

  /** Length of the run from a mapped block on that is physically consecutive, within a leaf. */
  int runLength(long block, int most) {
    int[] physical = leaf(block).physical;
    int first = (int) block & LEAF_MASK;
    int length = 1;
    while (length < most
        && first + length < LEAF_BLOCKS
        && physical[first + length] == physical[first] + length) {
      length++;
    }
    return length;
  }

  /** Copies the checksums of a run within a leaf. */
  void copyChecksums(long block, int count, int[] words, int offset) {
    System.arraycopy(leaf(block).checksums, (int) block & LEAF_MASK, words, offset, count);
  }
}
