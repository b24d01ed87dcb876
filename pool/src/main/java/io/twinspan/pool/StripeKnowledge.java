package io.twinspan.pool;

/** What is known of stripes beside what is in them. */
interface StripeKnowledge {
  /** CRC32C of a cell, without sign; {@link StripeSolver#UNKNOWN} when nobody maps it. */
  long checksumOf(int cell);

  /** Whether a drive may lack what it should hold. */
  boolean isDoubtful(int drive);
}
