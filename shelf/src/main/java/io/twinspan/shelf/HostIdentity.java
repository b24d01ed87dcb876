package io.twinspan.shelf;

/**
 * Who stands behind a controller, as reservations see it (NVM Express 1.4, section 5.21.1.26).
 *
 * <p>Controllers whose hosts set the same non-zero host identifier belong to one host. A controller
 * whose host has set none belongs to a host of its own; {@link #controllerId} then tells them
 * apart.
 *
 * @param low bytes 0 to 7 of the host identifier, little-endian
 * @param high bytes 8 to 15 of the host identifier, 0 for a 64-bit identifier
 * @param controllerId the controller's CNTLID if the identifier is 0, else 0
 */
record HostIdentity(long low, long high, int controllerId) {
  /** The identity of a controller after a reset, before its host has set a host identifier. */
  static HostIdentity unnamed(int controllerId) {
    return new HostIdentity(0, 0, controllerId);
  }

  /** The identity that the host of a controller has set; zeros mean {@link #unnamed}. */
  static HostIdentity of(long low, long high, int controllerId) {
    return new HostIdentity(low, high, low == 0 && high == 0 ? controllerId : 0);
  }

  /** Whether the host has set an identifier. */
  boolean named() {
    return low != 0 || high != 0;
  }

  /** Whether the identifier needs more than 64 bits. */
  boolean extended() {
    return high != 0;
  }
}
