package io.twinspan.rdma;

/**
 * What the n-th message of a connection is: both ends work it out for themselves from the sender's
 * epoch.
 *
 * @param kind how it is sent
 * @param length how many bytes
 * @param solicited whether it is to wake a receiver that asked for that
 * @param stamp names its contents
 */
record MixMessage(Kind kind, int length, boolean solicited, long stamp) {
  /** How a message is sent. */
  enum Kind {
    SEND,
    SEND_WITH_IMMEDIATE,
    SEND_WITH_INVALIDATE,
    WRITE_WITH_IMMEDIATE
  }

  static MixMessage of(MixShape shape, long epoch, int number) {
    long hash = MixPattern.hash(epoch, number) | 1;
    Kind kind =
        switch ((int) (hash >>> 8) & 15) {
          case 0, 1 -> Kind.WRITE_WITH_IMMEDIATE;
          case 2, 3 -> Kind.SEND_WITH_IMMEDIATE;
          case 4 -> Kind.SEND_WITH_INVALIDATE;
          default -> Kind.SEND;
        };
    int longest = kind == Kind.WRITE_WITH_IMMEDIATE ? shape.announcedBytes() : shape.messageBytes();
    // Half of them small, so that both the eager and the ring's way are taken.
    int most = (hash >>> 12 & 1) == 0 ? Math.min(longest, 130) : longest;
    int length = 1 + (int) ((hash >>> 16 & 0xff_ffff) % most);
    return new MixMessage(kind, length, (hash >>> 44 & 1) == 0, hash);
  }

  /** Whether it is a write that takes a receive. */
  boolean isAnnounced() {
    return kind == Kind.WRITE_WITH_IMMEDIATE;
  }

  boolean hasImmediate() {
    return kind == Kind.SEND_WITH_IMMEDIATE || kind == Kind.WRITE_WITH_IMMEDIATE;
  }

  /** The immediate data that goes with a number. */
  static int immediate(int number) {
    return (int) MixPattern.hash(number);
  }
}
