package io.twinspan.pool;

/** A way over all data of a pool, for scrubs and rebuilds; see {@link Sweeper}. */
interface Sweep {
  /** What became of a step. */
  enum Step {
    /** There is nothing more. */
    END,
    /** The progress was moved on; nothing had to be read. */
    PASSED,
    /** Reads are under way; {@link Sweeper#swept} will be told. */
    BEGUN
  }

  /**
   * Goes on from where the progress is.
   *
   * @param rebuilds whether only what lies on drives that are being rebuilt counts
   */
  Step step(SweepProgress progress, boolean rebuilds);

  /** Blocks that a whole pass goes over. */
  long totalBlocks();
}
