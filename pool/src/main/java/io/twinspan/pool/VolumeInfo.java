package io.twinspan.pool;

/**
 * A volume: a thin, linear range of bytes.
 *
 * @param id unique in the array: pool index in the upper 8 bits, a number from 1 that is never used
 *     twice in the lower 24
 * @param name unique in the array, 1 to 63 characters of {@code A-Z a-z 0-9 . _ -}
 * @param sizeBytes size in bytes, a multiple of {@link Drive#BLOCK_BYTES}
 * @param usedBytes bytes of data mapped in the pool (one copy counted)
 */
public record VolumeInfo(int id, String name, long sizeBytes, long usedBytes) {}
