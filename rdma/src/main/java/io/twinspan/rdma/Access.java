package io.twinspan.rdma;

/** What may be done with a memory region (as {@code ibv_access_flags}); reading locally always. */
public enum Access {
  /** Received messages, and the results of reads and atomics, may be placed here. */
  LOCAL_WRITE(1),
  /** The peer may RDMA WRITE here. */
  REMOTE_WRITE(1 << 1),
  /** The peer may RDMA READ here. */
  REMOTE_READ(1 << 2),
  /** The peer may do atomic operations here. */
  REMOTE_ATOMIC(1 << 3);

  private final int bit;

  Access(int bit) {
    this.bit = bit;
  }

  /** The flag's value in verbs. */
  public int bit() {
    return bit;
  }

  static int bits(Access... flags) {
    int bits = 0;
    for (Access flag : flags) {
      bits |= flag.bit;
    }
    return bits;
  }
}
