package io.twinspan.pool;

import java.util.Arrays;

/**
 * Which physical blocks are in use, and the superseded ones that wait for a flush. A block that a
 * record superseded may still be needed by a recovery that finds that record lost: it becomes free
 * only when the record is known to be flushed.
 */
class SpaceMap implements Volume.Freed {
  private static final int WHOLE = 2;
  private static final int LOST = 2;

  private final int blocks;
  private final int chunkBlocks;
  private final long[] used;
  private final byte[] chunkStates;
  private boolean anyDegraded;
  private int freeBlocks;

  /** References to each block beyond the first, by chunk; null where there are none. */
  private final int[][] moreReferences;

  private long sharedReferences;
  private long liveBlocks;
  private int cursor;
  private int runLength;

  /** Superseded runs, oldest first: a ring of (first block, count, sequence). */
  private int[] pendingFirst = new int[64];

  private int[] pendingCount = new int[64];
  private long[] pendingSequence = new long[64];
  private int head;
  private int runs;
  private long pendingBlocks;
  private long currentSequence;

  SpaceMap(int blocks, int chunkBlocks) {
    this.blocks = blocks;
    this.chunkBlocks = chunkBlocks;
    this.used = new long[(blocks + 63) / 64];
    this.chunkStates = new byte[blocks / chunkBlocks];
    this.freeBlocks = blocks;
    this.moreReferences = new int[blocks / chunkBlocks][];
  }

  /** Blocks that some leaf maps. */
  long liveBlocks() {
    return liveBlocks;
  }

  /** References of leaves to blocks, all together. */
  long references() {
    return liveBlocks + sharedReferences;
  }

  /** Whether more than one leaf maps the block. */
  boolean isShared(int block) {
    int[] chunk = moreReferences[block / chunkBlocks];
    return chunk != null && chunk[block % chunkBlocks] > 0;
  }

  @Override
  public void shared(int physical) {
    int chunk = physical / chunkBlocks;
    if (moreReferences[chunk] == null) {
      moreReferences[chunk] = new int[chunkBlocks];
    }
    moreReferences[chunk][physical % chunkBlocks]++;
    sharedReferences++;
  }

  @Override
  public void mapped(long block, int physical, int count) {
    liveBlocks += count;
  }

  /** A block was marked as in use. */
  void taken(int block) {}

  /** A block is not in use any more. */
  void given(int block) {}

  /** Says how many copies a chunk has left: 2 to be used, 1 to be used last, 0 to be left alone. */
  void copiesLeft(int chunk, int copies) {
    byte state = (byte) (WHOLE - copies);
    if (state == LOST && chunkStates[chunk] != LOST) {
      use(chunk * chunkBlocks, chunkBlocks);
    }
    // What was left alone stays so until the pool is opened again: the map knows what is in use.
    chunkStates[chunk] = chunkStates[chunk] == LOST ? LOST : state;
    anyDegraded |= state != 0;
  }

  int freeBlocks() {
    return freeBlocks;
  }

  /** Blocks that become free by a flush. */
  long pendingBlocks() {
    return pendingBlocks;
  }

  /** Says which batch is superseding the blocks that {@link #freed} names from now on. */
  void supersededBy(long sequence) {
    currentSequence = sequence;
  }

  boolean isUsed(int block) {
    return (used[block >> 6] & 1L << block) != 0;
  }

  /** Marks blocks as in use and returns how many of them were not. */
  int use(int first, int count) {
    int before = freeBlocks;
    for (int block = first; block < first + count; block++) {
      if (!isUsed(block)) {
        used[block >> 6] |= 1L << block;
        freeBlocks--;
        taken(block);
      }
    }
    return before - freeBlocks;
  }

  /**
   * Counts a leaf's references, given as block + 1, or 0 for none; a plain loop, for the sake of a
   * quick recovery.
   *
   * @param firstBlock the leaf's first block in its volume
   */
  void useEach(int[] blocksPlusOne, long firstBlock) {
    for (int i = 0; i < blocksPlusOne.length; i++) {
      int block = blocksPlusOne[i] - 1;
      if (block >= 0 && (used[block >> 6] & 1L << block) == 0) {
        used[block >> 6] |= 1L << block;
        freeBlocks--;
        taken(block);
        mapped(firstBlock + i, block, 1);
      } else if (block >= 0) {
        shared(block);
      }
    }
  }

  /** Makes blocks free at once: they were never referenced. */
  void release(int first, int count) {
    for (int block = first; block < first + count; block++) {
      if (isUsed(block) && chunkStates[block / chunkBlocks] != LOST) {
        used[block >> 6] &= ~(1L << block);
        freeBlocks++;
        given(block);
      }
    }
  }

  /**
   * Takes a run of free blocks within a chunk, next fit; its length is {@link #runLength()}.
   *
   * @return the first block, or -1 when nothing is free
   */
  int allocate(int most) {
    if (freeBlocks == 0) {
      return -1;
    }
    int first = anyDegraded ? nextFree(true) : -1;
    if (first < 0) {
      first = nextFree(false);
    }
    int end = Math.min(first + most, (first / chunkBlocks + 1) * chunkBlocks);
    int length = 1;
    while (first + length < end && !isUsed(first + length)) {
      length++;
    }
    use(first, length);
    cursor = first + length == blocks ? 0 : first + length;
    runLength = length;
    return first;
  }

  int runLength() {
    return runLength;
  }

  private int nextFree(boolean wholeOnly) {
    int first = nextFree(cursor, blocks, wholeOnly);
    return first >= 0 ? first : nextFree(0, cursor, wholeOnly);
  }

  private int nextFree(int from, int to, boolean wholeOnly) {
    int block = from;
    while (block < to) {
      if (wholeOnly && chunkStates[block / chunkBlocks] != 0) {
        block = (block / chunkBlocks + 1) * chunkBlocks;
        continue;
      }
      int end = Math.min((block & ~63) + 64, (block / chunkBlocks + 1) * chunkBlocks);
      long free = ~used[block >> 6] & -1L << block;
      int found = (block & ~63) + Long.numberOfTrailingZeros(free);
      if (free != 0 && found < end) {
        return found < to ? found : -1;
      }
      block = end;
    }
    return -1;
  }

  @Override
  public void freed(int physical) {
    if (isShared(physical)) {
      moreReferences[physical / chunkBlocks][physical % chunkBlocks]--;
      sharedReferences--;
      return;
    }
    liveBlocks--;
    pendingBlocks++;
    int last = (head + runs - 1) & (pendingFirst.length - 1);
    if (runs > 0
        && pendingSequence[last] == currentSequence
        && pendingFirst[last] + pendingCount[last] == physical) {
      pendingCount[last]++;
      return;
    }
    if (runs == pendingFirst.length) {
      grow();
    }
    int slot = (head + runs++) & (pendingFirst.length - 1);
    pendingFirst[slot] = physical;
    pendingCount[slot] = 1;
    pendingSequence[slot] = currentSequence;
  }

  private void grow() {
    int size = pendingFirst.length;
    int[] first = Arrays.copyOf(pendingFirst, 2 * size);
    int[] count = Arrays.copyOf(pendingCount, 2 * size);
    long[] sequence = Arrays.copyOf(pendingSequence, 2 * size);
    System.arraycopy(pendingFirst, 0, first, size, head);
    System.arraycopy(pendingCount, 0, count, size, head);
    System.arraycopy(pendingSequence, 0, sequence, size, head);
    pendingFirst = first;
    pendingCount = count;
    pendingSequence = sequence;
  }

  /** Everything up to this batch has been flushed: frees what those batches superseded. */
  void flushed(long sequence) {
    while (runs > 0 && pendingSequence[head] <= sequence) {
      release(pendingFirst[head], pendingCount[head]);
      pendingBlocks -= pendingCount[head];
      head = (head + 1) & (pendingFirst.length - 1);
      runs--;
    }
  }
}
