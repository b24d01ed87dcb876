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
 * <p>Physical block p of the pool lies in chunk c = p / chunkBlocks. <b>Mirror:</b> copy 0 of chunk
 * c is on drive c % n in row 2 (c / n), copy 1 on drive (c + 1) % n in the row after it.
 *
 * <p><b>Parity:</b> a row of chunks is a set of stripes. Set s has k = n - 2 chunks of data,
 * columns 0 to k - 1, then column k with P and k + 1 with Q; column c is on drive (s + c) % n. A
 * stripe is one block of each column, at the same place in its chunk: stripe t = s · chunkBlocks +
 * i is block i of the chunks of set s. A block of data of a stripe is also called a cell; its
 * number is that of the physical block.
 *
 * @param driveCount drives of the pool, n
 * @param chunkBlocks blocks of a chunk
 * @param rows chunks on each drive; mirror: an even number
 * @param journalHalfBlocks blocks of each journal half
 * @param segmentBlocks blocks of each piece of a checkpoint
 * @param segments pieces of a checkpoint that an area has room for
 * @param redundancy what the chunks hold
 */
record Layout(
    int driveCount,
    int chunkBlocks,
    int rows,
    int journalHalfBlocks,
    int segmentBlocks,
    int segments,
    Redundancy redundancy) {

  static final int SUPERBLOCKS = 2;
  static final int MAX_DRIVES = 16;

  /** Parities of a stripe: so many drives may be lost. */
  static final int PARITIES = 2;

  /** What there is before anything is known. */
  static final Layout NONE = new Layout(0, 0, 0, 0, 0, 0, Redundancy.MIRROR);

  private static final int FIRST_CHECKPOINT_BLOCK = 8;

  /** The largest layout that fits drives of the given size. */
  static Layout fit(int driveCount, long driveBlocks, PoolOptions options) {
    Redundancy redundancy = options.redundancy();
    if (driveCount < redundancy.leastDrives() || driveCount > MAX_DRIVES) {
      throw new IllegalArgumentException(
          "a pool with redundancy %s has %d to %d drives, not %d"
              .formatted(redundancy.word(), redundancy.leastDrives(), MAX_DRIVES, driveCount));
    }
    int step = redundancy == Redundancy.MIRROR ? 2 : 1;
    long most = Math.min(driveBlocks, (1L << 31) / driveCount) / options.chunkBlocks();
    for (int rows = (int) most / step * step; rows >= step; rows -= step) {
      long physical = dataChunks(driveCount, rows, redundancy) * options.chunkBlocks();
      Layout layout =
          new Layout(
              driveCount,
              options.chunkBlocks(),
              rows,
              options.journalHalfBlocks(),
              options.segmentBlocks(),
              segmentsFor(physical, options),
              redundancy);
      if (layout.blocks() <= driveBlocks && physical < Integer.MAX_VALUE) {
        return layout;
      }
    }
    throw new IllegalArgumentException(
        "a drive of " + driveBlocks + " blocks is too small for a pool");
  }

  private static long dataChunks(int driveCount, int rows, Redundancy redundancy) {
    return redundancy == Redundancy.MIRROR
        ? (long) rows / 2 * driveCount
        : (long) rows * (driveCount - PARITIES);
  }

  /** A checkpoint in which every block is a run of its own still fits. */
  private static int segmentsFor(long physicalBlocks, PoolOptions options) {
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

  boolean hasParity() {
    return redundancy == Redundancy.PARITY;
  }

  int chunks() {
    return (int) dataChunks(driveCount, rows, redundancy);
  }

  /** Blocks of data the drives hold, without redundancy. */
  int physicalBlocks() {
    return chunks() * chunkBlocks;
  }

  /** The drive that holds a copy of a physical block: mirror 0 or 1, parity 0. */
  int drive(int physical, int copy) {
    int chunk = physical / chunkBlocks;
    if (hasParity()) {
      return columnDrive(chunk / dataColumns(), chunk % dataColumns());
    }
    return (chunk + copy) % driveCount;
  }

  /** Where on that drive. */
  long driveBlock(int physical, int copy) {
    if (hasParity()) {
      return stripeBlock(stripe(physical));
    }
    int chunk = physical / chunkBlocks;
    long row = 2L * (chunk / driveCount) + copy;
    return dataBlock() + row * chunkBlocks + physical % chunkBlocks;
  }

  /** A map of all that data may lie on, with nothing in it. */
  SpaceMap newSpace() {
    return hasParity() ? new StripeMap(this) : new SpaceMap(physicalBlocks(), chunkBlocks);
  }

  // ---- stripes ----

  /** Columns of data of a stripe. */
  int dataColumns() {
    return driveCount - PARITIES;
  }

  int stripes() {
    return rows * chunkBlocks;
  }

  /** The stripe of a cell. */
  int stripe(int cell) {
    return cell / chunkBlocks / dataColumns() * chunkBlocks + cell % chunkBlocks;
  }

  /** The column of a cell. */
  int column(int cell) {
    return cell / chunkBlocks % dataColumns();
  }

  /** The cell in a column of data of a stripe. */
  int cell(int stripe, int column) {
    return (stripe / chunkBlocks * dataColumns() + column) * chunkBlocks + stripe % chunkBlocks;
  }

  /** The drive that holds a column of a stripe: data, then P, then Q. */
  int stripeDrive(int stripe, int column) {
    return columnDrive(stripe / chunkBlocks, column);
  }

  private int columnDrive(int set, int column) {
    return (set + column) % driveCount;
  }

  /** Where a stripe lies on each drive. */
  long stripeBlock(int stripe) {
    return dataBlock() + stripe;
  }
}
