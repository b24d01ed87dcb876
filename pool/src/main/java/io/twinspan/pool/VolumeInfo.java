package io.twinspan.pool;

/**
 * A volume: a thin, linear range of bytes.
 *
 * @param id unique in the array: pool index in the upper 8 bits, a number from 1 that is never used
 *     twice in the lower 24
 * @param name unique in the array, 1 to 63 characters of {@code A-Z a-z 0-9 . _ -}
 * @param sizeBytes size in bytes, a multiple of {@link Drive#BLOCK_BYTES}
 * @param usedBytes bytes of data mapped in the pool (one copy counted); what it shares with others
 *     counts as well
 * @param origin id of the volume that it is a snapshot or a clone of; 0 for none. That one may be
 *     gone
 * @param readOnly whether it is a snapshot: nobody may write to it
 */
public record VolumeInfo(
    int id, String name, long sizeBytes, long usedBytes, int origin, boolean readOnly) {
  /** A volume that is neither a snapshot nor a clone. */
  public VolumeInfo(int id, String name, long sizeBytes, long usedBytes) {
    this(id, name, sizeBytes, usedBytes, 0, false);
  }
}
