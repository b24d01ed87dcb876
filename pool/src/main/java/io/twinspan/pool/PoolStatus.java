package io.twinspan.pool;

/** How a request to a {@link Pool} ended. */
public enum PoolStatus {
  /** Done. */
  OK,
  /** No room for it on the drives. */
  NO_SPACE,
  /** Another controller has taken the drives: this one must stop serving the pool. */
  FENCED,
  /** No copy with the right checksum could be read. */
  MEDIA_ERROR,
  /** Fewer than a majority of the drives answer. */
  NO_QUORUM,
  /** The drives hold no pool of this array (never formatted, or another array's). */
  NOT_FORMATTED,
  /**
   * No volume with this id, or a volume of this name exists already, or a limit would be passed.
   */
  INVALID,
  /** The pool was closed or abandoned before the request was carried out. */
  CLOSED
}
