package io.twinspan.pool;

/**
 * What a recovery found.
 *
 * @param root the newest superblock
 * @param slots slot of each drive's newest superblock
 * @param volumes the map
 * @param space blocks in use
 * @param journal where the journal goes on
 * @param stableSequence batches up to it are known to be flushed
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier that is never compared
record Recovered(
    Superblock root,
    int[] slots,
    VolumeTable volumes,
    SpaceMap space,
    JournalPosition journal,
    long stableSequence) {}
