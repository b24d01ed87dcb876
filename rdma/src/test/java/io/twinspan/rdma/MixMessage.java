package io.twinspan.rdma;

/**
 * What the n-th message of a connection is: both ends work it out for themselves from the sender's
 * epoch.
 *
 * @param announced whether it is a write with immediate rather than a send
 * @param length how many bytes
 * @param stamp names its contents
 */
record MixMessage(boolean announced, int length, long stamp) {
  static MixMessage of(MixShape shape, long epoch, int number) {
    long hash = MixPattern.hash(epoch, number) | 1;
    boolean announced = (hash >>> 8 & 7) == 0;
    int longest = announced ? shape.announcedBytes() : shape.messageBytes();
    // Half of them small, so that both the eager and the ring's way are taken.
    int most = (hash >>> 12 & 1) == 0 ? Math.min(longest, 130) : longest;
    int length = 1 + (int) ((hash >>> 16 & 0xff_ffff) % most);
    return new MixMessage(announced, length, hash);
  }

  /** The immediate data that goes with a number. */
  static int immediate(int number) {
    return (int) MixPattern.hash(number);
  }
}
