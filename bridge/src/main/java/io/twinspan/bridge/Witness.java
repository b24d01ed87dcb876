package io.twinspan.bridge;

/** Somebody who knows what keeps a peer that is silent. */
interface Witness {
  /**
   * Looks at the peer.
   *
   * @return for how much of the time since the last look its silence is excused, in ns; 0 at the
   *     first look
   */
  long look();

  /** The peer has shown itself: the next look is the first one. */
  void forget();
}
