package io.twinspan.bridge;

/**
 * Somebody who knows what keeps a peer that is silent. A bridge asks one only about a peer that has
 * been silent for half of its time, on the bridge's thread.
 */
public interface Witness {
  /** Knows nothing: what there is between two machines, and in tests with a time of their own. */
  Witness NOBODY =
      new Witness() {
        @Override
        public Evidence look() {
          return Evidence.NONE;
        }

        @Override
        public void forget() {}
      };

  /**
   * What kept the peer since the last look.
   *
   * @param excusedNs for how much of that time its silence is excused, in ns
   * @param stopped whether it stood stopped all that time, so that a pause of this side's is no
   *     excuse either
   */
  record Evidence(long excusedNs, boolean stopped) {
    /** Nothing is known, as at every first look. */
    public static final Evidence NONE = new Evidence(0, false);
  }

  /** Looks at the peer. */
  Evidence look();

  /** The peer has shown itself: the next look is the first one. */
  void forget();
}
