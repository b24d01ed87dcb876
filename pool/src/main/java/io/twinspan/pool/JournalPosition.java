package io.twinspan.pool;

/**
 * Where the journal goes on.
 *
 * @param half half of the next batch
 * @param block block of the next batch in its half
 * @param halfSequence sequence of the batch at the start of that half
 * @param nextSequence sequence of the next batch
 */
record JournalPosition(int half, int block, long halfSequence, long nextSequence) {}
