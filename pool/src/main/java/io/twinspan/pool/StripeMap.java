package io.twinspan.pool;

/**
 * The {@link SpaceMap} of a pool with parities. A stripe is written as a whole, and only while none
 * of its cells is in use: so what is there is never touched by a write, and a torn stripe holds
 * nothing that anybody was promised. Knows for each cell which block of a volume it holds, so that
 * its owners can be found.
 */
final class StripeMap extends SpaceMap {
  /** Stripes that are looked at in one go when victims for the cleaner are looked for. */
  private static final int SCAN = 1 << 16;

  private final Layout layout;
  private final int columns;
  private final int stripes;

  /** Cells in use, by stripe. */
  private final byte[] used;

  /** Number of stripes that have so many cells in use. */
  private final int[] withUsed;

  /** How many have asked that a stripe must not be written to, by stripe. */
  private final byte[] holds;

  /** Stripes that are being written, as bits. */
  private final long[] writing;

  /** Block + 1 of a volume that each cell holds or held last, by chunk. */
  private final int[][] blocks;

  private int freeStripes;
  private long usedCells;
  private long changes;
  private int cursor;
  private int taken;
  private int victim;
  private int unscanned;

  StripeMap(Layout layout) {
    super(layout.physicalBlocks(), layout.chunkBlocks());
    this.layout = layout;
    this.columns = layout.dataColumns();
    this.stripes = layout.stripes();
    this.used = new byte[stripes];
    this.withUsed = new int[columns + 1];
    this.withUsed[0] = stripes;
    this.holds = new byte[stripes];
    this.writing = new long[(stripes + 63) / 64];
    this.blocks = new int[layout.chunks()][];
    this.freeStripes = stripes;
  }

  /** Stripes that can be written. */
  int freeStripes() {
    return freeStripes;
  }

  /** Cells that are not in use, in stripes of which another one is. */
  long deadCells() {
    return (long) (stripes - freeStripes) * columns - usedCells;
  }

  /** Counts changes of what is in use. */
  long changes() {
    return changes;
  }

  /** Cells of a stripe that are in use. */
  int usedOf(int stripe) {
    return used[stripe];
  }

  boolean isWriting(int stripe) {
    return (writing[stripe >> 6] & 1L << stripe) != 0;
  }

  /** The block that a cell holds or held last, in the volumes that map it; -1 when never mapped. */
  int blockOf(int cell) {
    int[] chunk = blocks[cell / layout.chunkBlocks()];
    return chunk == null ? -1 : chunk[cell % layout.chunkBlocks()] - 1;
  }

  @Override
  void taken(int cell) {
    int stripe = layout.stripe(cell);
    usedCells++;
    changes++;
    withUsed[used[stripe]]--;
    freeStripes -= used[stripe]++ == 0 && holds[stripe] == 0 ? 1 : 0;
    withUsed[used[stripe]]++;
  }

  @Override
  void given(int cell) {
    int stripe = layout.stripe(cell);
    usedCells--;
    changes++;
    withUsed[used[stripe]]--;
    freeStripes += --used[stripe] == 0 && holds[stripe] == 0 ? 1 : 0;
    withUsed[used[stripe]]++;
  }

  @Override
  public void mapped(long block, int physical, int count) {
    super.mapped(block, physical, count);
    int size = layout.chunkBlocks();
    int[] chunk = blocks[physical / size];
    if (chunk == null) {
      chunk = new int[size];
      blocks[physical / size] = chunk;
    }
    for (int i = 0; i < count; i++) {
      chunk[physical % size + i] = (int) block + i + 1;
    }
  }

  /** Keeps a stripe from being written, even when it becomes free, until {@link #unhold}. */
  void hold(int stripe) {
    freeStripes -= used[stripe] == 0 && holds[stripe] == 0 ? 1 : 0;
    holds[stripe]++;
  }

  void unhold(int stripe) {
    holds[stripe]--;
    freeStripes += used[stripe] == 0 && holds[stripe] == 0 ? 1 : 0;
  }

  /**
   * Finds a run of free stripes that lie next to each other on the drives, next fit; its length is
   * {@link #takenStripes()}. They are the caller's as soon as it uses a cell of each.
   *
   * @return the first, or -1 when there is none
   */
  int take(int most) {
    int first = nextFree(cursor, stripes);
    first = first < 0 ? nextFree(0, cursor) : first;
    if (first < 0) {
      return -1;
    }
    int end = Math.min(first + most, (first / layout.chunkBlocks() + 1) * layout.chunkBlocks());
    taken = 1;
    while (first + taken < end && isFree(first + taken)) {
      taken++;
    }
    cursor = first + taken == stripes ? 0 : first + taken;
    return first;
  }

  int takenStripes() {
    return taken;
  }

  private boolean isFree(int stripe) {
    return used[stripe] == 0 && holds[stripe] == 0;
  }

  private int nextFree(int from, int to) {
    for (int stripe = from; stripe < to; stripe++) {
      if (isFree(stripe)) {
        return stripe;
      }
    }
    return -1;
  }

  /** Says whether stripes are being written. */
  void setWriting(int first, int count, boolean now) {
    for (int stripe = first; stripe < first + count; stripe++) {
      long bit = 1L << stripe;
      writing[stripe >> 6] = now ? writing[stripe >> 6] | bit : writing[stripe >> 6] & ~bit;
    }
  }

  /** Begins to look for stripes that are worth to be emptied. */
  void startScan() {
    unscanned = stripes;
  }

  /** Whether {@link #nextVictim} has gone over all stripes. */
  boolean isScanned() {
    return unscanned == 0;
  }

  /**
   * Goes on looking for a stripe with up to so many cells in use that nobody holds or writes.
   *
   * @return -1 when there is none so far: look at {@link #isScanned}
   */
  int nextVictim(int most) {
    for (int i = Math.min(SCAN, unscanned); i > 0; i--) {
      int stripe = victim;
      victim = victim + 1 == stripes ? 0 : victim + 1;
      unscanned--;
      boolean fits = used[stripe] > 0 && used[stripe] <= most && holds[stripe] == 0;
      if (fits && !isWriting(stripe)) {
        return stripe;
      }
    }
    return -1;
  }

  /** Least number of cells in use among stripes that have some and lack some; 0 for none. */
  int leastUsed() {
    for (int cells = 1; cells < columns; cells++) {
      if (withUsed[cells] > 0) {
        return cells;
      }
    }
    return 0;
  }
}
