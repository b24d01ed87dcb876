package io.twinspan.pool;

/** What a {@link PoolRequest} asks for. */
public enum PoolOperation {
  /**
   * Reads blocks; what was never written, or was zeroed, reads as zeros. Checksums are verified, a
   * bad copy is repaired from the other.
   */
  READ,
  /**
   * Writes blocks from {@code data} with the checksums given; consumes what {@link Pool#reserve}
   * granted. Completes when data and metadata are on the drives.
   */
  WRITE,
  /** Makes blocks read as zeros and frees their space. */
  ZERO,
  /** Completes when everything that completed before is on the drives and flushed there. */
  FLUSH
}
