package io.twinspan.pool;

import java.util.List;

/**
 * What {@link PoolCheck} found.
 *
 * @param findings what is to be said, in the order in which it was found; at most {@link
 *     PoolCheck#MAX_FINDINGS}
 * @param findingsLeftOut how many more there were
 * @param epoch epoch of the last owner; 0 when there is no pool
 * @param volumes number of volumes
 * @param capacityBlocks blocks of data that the pool may hold
 * @param usedBlocks blocks of data that it holds
 * @param checkpointPieces pieces of the checkpoint
 * @param journalBatches batches of the journal after the checkpoint
 * @param checkedBlocks blocks whose copies were read and compared with their checksums
 * @param opens whether the pool can be opened as it is
 */
public record PoolReport(
    List<PoolFinding> findings,
    long findingsLeftOut,
    long epoch,
    int volumes,
    long capacityBlocks,
    long usedBlocks,
    int checkpointPieces,
    int journalBatches,
    long checkedBlocks,
    boolean opens) {
  /** Whether nothing is wrong. Notes don't count. */
  public boolean isClean() {
    return findings.stream().allMatch(one -> one.severity() == PoolFinding.Severity.NOTE);
  }
}
