package io.twinspan.pool;

import java.util.Arrays;

/**
 * A volume's map: for each block the physical block and the CRC32C of its data. Leaves of 1024
 * blocks (8 KiB of memory per 4 MiB of volume that holds anything) come and go on demand.
 *
 * <p>A clone shares the leaves of its source; who changes a leaf that is shared gets a copy of it
 * first. So a physical block has as many references as there are leaves that map it.
 */
final class Volume {
  /** Most blocks of a volume: 8 TiB less one block. */
  static final long MAX_BLOCKS = Integer.MAX_VALUE;

  static final int LEAF_BLOCKS = 1024;
  private static final int LEAF_SHIFT = 10;
  private static final int LEAF_MASK = LEAF_BLOCKS - 1;
  private static final Leaf EMPTY = new Leaf(0);

  /** Told of references to physical blocks that come and go. */
  interface Freed {
    /** A leaf does not map the block any more. */
    void freed(int physical);

    /** One more leaf maps the block. */
    default void shared(int physical) {}

    /** So many blocks that nobody mapped are mapped now, to blocks from {@code physical} on. */
    default void mapped(long block, int physical, int count) {}
  }

  /** What a volume is, besides a map; as stored in a CREATE record. */
  static final int READ_ONLY = 1;

  /** Deleted: its blocks are being given back. */
  static final int DYING = 2;

  private static final class Leaf {
    /** Physical block + 1; 0 where nothing is mapped. */
    final int[] physical;

    final int[] checksums;
    int mapped;

    /** Volumes that share it. */
    int owners = 1;

    /** Checkpoint that has it already, and as part of which volume. */
    long writtenIn;

    int writtenBy;

    /** Its references were counted after a recovery. */
    boolean counted;

    Leaf(int blocks) {
      physical = new int[blocks];
      checksums = new int[blocks];
    }

    Leaf(Leaf other) {
      physical = other.physical.clone();
      checksums = other.checksums.clone();
      mapped = other.mapped;
    }
  }

  final int id;
  final String name;

  /** The constants {@link #READ_ONLY} and {@link #DYING}, or-ed. */
  int flags;

  /** Number of the volume that this one was made from; 0 for none. */
  int origin;

  private long sizeBlocks;
  private long mappedBlocks;
  private Leaf[] leaves = {};

  Volume(int id, String name, long sizeBlocks) {
    this.id = id;
    this.name = name;
    this.sizeBlocks = sizeBlocks;
  }

  boolean isReadOnly() {
    return (flags & READ_ONLY) != 0;
  }

  boolean isDying() {
    return (flags & DYING) != 0;
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

  /** Number of blocks of the range that need a place of their own when they are written. */
  int unmapped(long block, int count, SpaceMap space) {
    int unmapped = 0;
    for (int i = 0; i < count; i++) {
      int physical = physical(block + i);
      boolean own = physical >= 0 && leaf(block + i).owners == 1 && !space.isShared(physical);
      unmapped += own ? 0 : 1;
    }
    return unmapped;
  }

  /** Blocks of the leaves that a change of the range has to copy first. */
  int blocksToCopy(long block, int count) {
    int blocks = 0;
    for (long at = block; at < block + count; at = (at | LEAF_MASK) + 1) {
      blocks += isShared(at) ? leaf(at).mapped : 0;
    }
    return blocks;
  }

  /** Whether another volume has the leaf of the block as well. */
  boolean isShared(long block) {
    return leaf(block).owners > 1;
  }

  private Leaf leaf(long block) {
    int index = (int) (block >> LEAF_SHIFT);
    return index < leaves.length ? leaves[index] : EMPTY;
  }

  private Leaf leafForWriting(long block, Freed freed) {
    int index = (int) (block >> LEAF_SHIFT);
    if (index >= leaves.length) {
      int before = leaves.length;
      leaves = Arrays.copyOf(leaves, Math.max(index + 1, before + (before >> 1)));
      Arrays.fill(leaves, before, leaves.length, EMPTY);
    }
    if (leaves[index] == EMPTY) {
      leaves[index] = new Leaf(LEAF_BLOCKS);
    }
    return ownLeaf(index, freed);
  }

  /** The leaf, for this volume alone: a copy if others have it as well. */
  private Leaf ownLeaf(int index, Freed freed) {
    Leaf leaf = leaves[index];
    if (leaf.owners > 1) {
      leaf.owners--;
      leaf = new Leaf(leaf);
      leaves[index] = leaf;
      for (int plusOne : leaf.physical) {
        if (plusOne != 0) {
          freed.shared(plusOne - 1);
        }
      }
    }
    return leaf;
  }

  /** Takes over the map of another volume, which has to be empty here, by sharing its leaves. */
  void share(Volume source, long firstLeaf, long count) {
    int end = (int) Math.min(firstLeaf + count, source.leaves.length);
    if (end > leaves.length) {
      int before = leaves.length;
      leaves = Arrays.copyOf(leaves, end);
      Arrays.fill(leaves, before, end, EMPTY);
    }
    for (int i = (int) firstLeaf; i < end; i++) {
      Leaf leaf = source.leaves[i];
      if (leaf != EMPTY && leaves[i] == EMPTY) {
        leaf.owners++;
        leaves[i] = leaf;
        mappedBlocks += leaf.mapped;
      }
    }
  }

  /** Number of leaves that others have as well. */
  int sharedLeafCount() {
    int count = 0;
    for (Leaf leaf : leaves) {
      count += leaf.owners > 1 ? 1 : 0;
    }
    return count;
  }

  /** Number of leaves that map anything. */
  int leafCount() {
    int count = 0;
    for (Leaf leaf : leaves) {
      count += leaf == EMPTY ? 0 : 1;
    }
    return count;
  }

  /**
   * Maps {@code count} blocks to consecutive physical blocks; checksums from {@code words} at
   * {@code offset}.
   */
  void map(long block, int physical, int[] words, int offset, int count, Freed freed) {
    freed.mapped(block, physical, count);
    int done = 0;
    while (done < count) {
      Leaf leaf = leafForWriting(block + done, freed);
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

  /**
   * Says that a block's data lies elsewhere now: in place, for all volumes that share the leaf, as
   * nothing else changes by it.
   *
   * @return whether the block was at {@code from}
   */
  boolean move(long block, int from, int to) {
    Leaf leaf = leaf(block);
    int index = (int) block & LEAF_MASK;
    boolean was = leaf != EMPTY && leaf.physical[index] == from + 1;
    if (was) {
      leaf.physical[index] = to + 1;
    }
    return was;
  }

  /** Unmaps a range; costs as many steps as it has leaves and mapped blocks. */
  void unmap(long block, long count, Freed freed) {
    long end = Math.min(block + count, (long) leaves.length << LEAF_SHIFT);
    for (long at = block; at < end; ) {
      int index = (int) at & LEAF_MASK;
      int step = (int) Math.min(end - at, LEAF_BLOCKS - index);
      Leaf leaf = leaf(at);
      if (leaf != EMPTY && leaf.owners > 1 && step == LEAF_BLOCKS) {
        leaf.owners--;
        mappedBlocks -= leaf.mapped;
        leaves[(int) (at >> LEAF_SHIFT)] = EMPTY;
      } else if (leaf != EMPTY) {
        leaf = ownLeaf((int) (at >> LEAF_SHIFT), freed);
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
    for (int i = 0; i < leaves.length; i++) {
      Leaf leaf = leaves[i];
      if (leaf != EMPTY && !leaf.counted) {
        leaf.counted = true;
        space.useEach(leaf.physical, (long) i << LEAF_SHIFT);
      }
    }
  }

  /** Says that a checkpoint has the leaf of a block now, if it is still the one that it was. */
  void written(long block, Object leafBefore, long checkpoint) {
    Leaf leaf = leaf(block);
    if (leaf == leafBefore && leaf != EMPTY) {
      leaf.writtenIn = checkpoint;
      leaf.writtenBy = id;
    }
  }

  /** The leaf of a block, to be compared only. */
  Object leafOf(long block) {
    return leaf(block);
  }

  /** Volume in whose map a checkpoint has the leaf of a block already; 0 for none. */
  int writtenBy(long block, long checkpoint) {
    Leaf leaf = leaf(block);
    return leaf != EMPTY && leaf.writtenIn == checkpoint ? leaf.writtenBy : 0;
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
