package io.twinspan.array;

/** What a host asks for. */
public enum HostOperation {
  /** Reads bytes. */
  READ,
  /** Writes bytes. */
  WRITE,
  /** Makes a range read as zeros, and frees its space where whole blocks are covered. */
  ZERO,
  /**
   * Everything acknowledged before, through either controller, is on the drives and flushed there.
   */
  FLUSH
}
