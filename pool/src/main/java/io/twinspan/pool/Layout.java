package io.twinspan.pool;

/**
 * Where things lie on each drive of a pool, in blocks; the same on all drives, as large as the
 * smallest allows.
 *
 * <pre>
 *   0          8             + checkpointBlocks  + checkpointBlocks  + half      + half
 *   +----------+-------------+-------------------+-------------------+-----------+------------- - -
 *   | 2 super- | checkpoint  | checkpoint        | journal           | journal   | rows of one
 *   | blocks   | area 0      | area 1            | half 0            | half 1    | chunk each
 *   +----------+-------------+-------------------+-------------------+-----------+------------- - -
 * </pre>
 *
 * <p>Physical block p of the pool lies in chunk c = p / chunkBlocks. Copy 0 of chunk c is on drive
 * c % n in row 2 (c / n), copy 1 on drive (c + 1) % n in the row after it.
 *
 * @param driveCount drives of the pool, n
 * @param chunkBlocks blocks of a chunk
 * @param rows chunks on each drive, an even number
 * @param journalHalfBlocks blocks of each journal half
 * @param segmentBlocks blocks of each piece of a checkpoint
 * @param segments pieces of a checkpoint that an area has room for
 */
record Layout(
    int driveCount,
    int chunkBlocks,
    int rows,
    int journalHalfBlocks,
    int segmentBlocks,
    int segments) {

  static final int SUPERBLOCKS = 2;
  static final int MAX_DRIVES = 16;
  private static final int FIRST_CHECKPOINT_BLOCK = 8;

  /** The largest layout that fits drives of the given size. */
  static Layout fit(int driveCount, long driveBlocks, MirrorPoolOptions options) {
    if (driveCount < 2 || driveCount > MAX_DRIVES) {
      throw new IllegalArgumentException("a pool has 2 to 16 drives, not " + driveCount);
    }
    long most = Math.min(driveBlocks, (1L << 31) / driveCount) / options.chunkBlocks();
    for (int rows = (int) most & ~1; rows >= 2; rows -= 2) {
      long physical = (long) rows / 2 * driveCount * options.chunkBlocks();
      Layout layout =
          new Layout(
              driveCount,
              options.chunkBlocks(),
              rows,
              options.journalHalfBlocks(),
              options.segmentBlocks(),
              segmentsFor(physical, options));
      if (layout.blocks() <= driveBlocks && physical < Integer.MAX_VALUE) {
        return layout;
      }
    }
    throw new IllegalArgumentException(
        "a drive of " + driveBlocks + " blocks is too small for a pool");
  }

  /** A checkpoint in which every block is a run of its own still fits. */
  private static int segmentsFor(long physicalBlocks, MirrorPoolOptions options) {
    long words =
        physicalBlocks * (Records.WRITE_WORDS + 1)
            + (long) options.maxVolumes() * Records.CREATE_WORDS;
    long wordsPerSegment =
        options.segmentBlocks() * (Drive.BLOCK_BYTES / 4L)
            - MetadataPage.HEADER_WORDS
            - Records.CREATE_WORDS;
    return Math.toIntExact(words / wordsPerSegment + 2);
  }

  int checkpointBlocks() {
    return segments * segmentBlocks;
  }

  long checkpointBlock(int area, int segment) {
    return FIRST_CHECKPOINT_BLOCK
        + (long) area * checkpointBlocks()
        + (long) segment * segmentBlocks;
  }

  long journalBlock(int half, int block) {
    return checkpointBlock(2, 0) + (long) half * journalHalfBlocks + block;
  }

  /** First block of the data area: everything before it is metadata. */
  long dataBlock() {
    return journalBlock(2, 0);
  }

  /** Blocks that the pool uses of each drive. */
  long blocks() {
    return dataBlock() + (long) rows * chunkBlocks;
  }

  int chunks() {
    return rows / 2 * driveCount;
  }

  /** Blocks of data the drives hold, each of them twice. */
  int physicalBlocks() {
    return chunks() * chunkBlocks;
  }

  /** The drive that holds a copy (0 or 1) of a physical block. */
  int drive(int physical, int copy) {
    return (physical / chunkBlocks + copy) % driveCount;
  }

  /** Where on that drive. */
  long driveBlock(int physical, int copy) {
    int chunk = physical / chunkBlocks;
    long row = 2L * (chunk / driveCount) + copy;
    return dataBlock() + row * chunkBlocks + physical % chunkBlocks;
  }
}
