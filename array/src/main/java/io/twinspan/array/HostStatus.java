package io.twinspan.array;

/** How a host's request ended. */
public enum HostStatus {
  /** Done. */
  OK,
  /** No space in the pool. */
  NO_SPACE,
  /** Out of the volume's range, or otherwise not possible. */
  INVALID,
  /** The volume is gone. */
  NO_SUCH_VOLUME,
  /** The data could not be read or written. */
  IO_ERROR,
  /**
   * This controller can't serve the volume any more: the host should use the other one. The front
   * end closes the connection.
   */
  SHUTDOWN,
  /** The volume is a snapshot: nobody may write to it. */
  READ_ONLY
}
