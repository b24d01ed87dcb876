package io.twinspan.array;

/**
 * For each block that the commit log holds and the pool doesn't yet: where its newest version is.
 * An open-addressing map over primitive arrays, of fixed capacity. Single-threaded.
 */
final class BlockOverlay {
  /** There is no such block: the pool has it. */
  static final long NONE = -1;

  private static final int INDEX_BITS = 6;
  private final int mask;
  private final int[] volumes;
  private final long[] blocks;
  private final long[] values;

  /**
   * A map for at most this many blocks.
   *
   * @param blockCount most blocks at a time
   */
  BlockOverlay(int blockCount) {
    int slots = Integer.highestOneBit(Math.max(blockCount, 8)) << 2;
    mask = slots - 1;
    volumes = new int[slots];
    blocks = new long[slots];
    values = new long[slots];
    clear();
  }

  /** A place in the log: block {@code index} of record {@code sequence}. */
  static long place(long sequence, int index) {
    return sequence << INDEX_BITS | index;
  }

  static long sequence(long place) {
    return place >>> INDEX_BITS;
  }

  static int index(long place) {
    return (int) place & (1 << INDEX_BITS) - 1;
  }

  long get(int volume, long block) {
    int slot = find(volume, block);
    return values[slot];
  }

  void put(int volume, long block, long place) {
    int slot = find(volume, block);
    volumes[slot] = volume;
    blocks[slot] = block;
    values[slot] = place;
  }

  /** Removes the block unless a newer version than {@code place} is in the log. */
  void remove(int volume, long block, long place) {
    int slot = find(volume, block);
    if (values[slot] == place) {
      erase(slot);
    }
  }

  void clear() {
    java.util.Arrays.fill(values, NONE);
  }

  private int find(int volume, long block) {
    int slot = home(volume, block);
    while (values[slot] != NONE && (blocks[slot] != block || volumes[slot] != volume)) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private int home(int volume, long block) {
    long hash = (block + volume * 0x9E3779B97F4A7C15L) * 0xD6E8FEB86659FD93L;
    return (int) (hash ^ hash >>> 32) & mask;
  }

  /** Moves later entries of the probe chain into the hole, so that no chain is cut. */
  private void erase(int slot) {
    int hole = slot;
    int next = hole + 1 & mask;
    while (values[next] != NONE) {
      int home = home(volumes[next], blocks[next]);
      if ((next - home & mask) >= (next - hole & mask)) {
        volumes[hole] = volumes[next];
        blocks[hole] = blocks[next];
        values[hole] = values[next];
        hole = next;
      }
      next = next + 1 & mask;
    }
    values[hole] = NONE;
  }
}
