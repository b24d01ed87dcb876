package io.twinspan.pool;

/**
 * Sizes of a {@link DrivePool}. The layout's sizes count at {@link Pool#format}; what is found on
 * the drives counts at {@link Pool#open}.
 *
 * @param chunkBlocks blocks of a chunk, the unit of placement on drives: a power of two
 * @param journalHalfBlocks blocks of each journal half; a checkpoint starts when one is 3/4 full
 * @param batchBlocks most blocks of a journal write, at most 16
 * @param segmentBlocks blocks of one piece of a checkpoint, at most 64; also bounds the work of one
 *     duty cycle
 * @param maxVolumes most volumes at a time
 * @param slackBlocks blocks held back, so that overwrites of a full pool keep working; 0: 2 %, with
 *     parities 1/8 (the cleaner's room), and at least 16 MiB
 * @param autoFlushBytes unflushed data after which the pool flushes by itself: bounds what a
 *     recovery has to verify
 * @param operations data requests accepted at a time
 * @param redundancy how data is kept; counts at {@link Pool#format}
 */
public record PoolOptions(
    int chunkBlocks,
    int journalHalfBlocks,
    int batchBlocks,
    int segmentBlocks,
    int maxVolumes,
    int slackBlocks,
    long autoFlushBytes,
    int operations,
    Redundancy redundancy) {

  /** 1 MiB chunks, 4 MiB journal halves, 128 requests at a time; mirrored. */
  public static final PoolOptions DEFAULTS =
      new PoolOptions(256, 1024, 16, 64, 1024, 0, 32L << 20, 128, Redundancy.MIRROR);

  /** Checks the ranges. */
  public PoolOptions {
    check(chunkBlocks >= 1 && Integer.bitCount(chunkBlocks) == 1, "chunkBlocks", chunkBlocks);
    check(batchBlocks >= 1 && batchBlocks <= 16, "batchBlocks", batchBlocks);
    check(segmentBlocks >= 1 && segmentBlocks <= 64, "segmentBlocks", segmentBlocks);
    check(journalHalfBlocks >= 4 * batchBlocks, "journalHalfBlocks", journalHalfBlocks);
    check(maxVolumes >= 1 && maxVolumes <= 1 << 16, "maxVolumes", maxVolumes);
    check(slackBlocks == 0 || slackBlocks >= Pool.MAX_IO_BLOCKS, "slackBlocks", slackBlocks);
    check(autoFlushBytes >= Drive.BLOCK_BYTES, "autoFlushBytes", autoFlushBytes);
    check(operations >= 1 && operations <= 4096, "operations", operations);
  }

  /** The same with another redundancy. */
  public PoolOptions with(Redundancy other) {
    return new PoolOptions(
        chunkBlocks,
        journalHalfBlocks,
        batchBlocks,
        segmentBlocks,
        maxVolumes,
        slackBlocks,
        autoFlushBytes,
        operations,
        other);
  }

  private static void check(boolean valid, String name, long value) {
    if (!valid) {
      throw new IllegalArgumentException(name + " out of range: " + value);
    }
  }
}
