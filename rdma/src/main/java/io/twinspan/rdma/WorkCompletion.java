package io.twinspan.rdma;

/**
 * What became of one work request ({@code ibv_wc}); filled by {@link CompletionQueue#poll}, reused.
 */
public final class WorkCompletion {
  // Flags; the values of ibv_wc_flags where it has them.
  static final int WITH_IMMEDIATE = 1 << 1;
  static final int WITH_INVALIDATE = 1 << 3;
  static final int SOLICITED = 1 << 7;

  /** A {@link #vendorError()}: the CRC of what came through the window was wrong. */
  public static final int VENDOR_BAD_CRC = 1;

  private static final int VENDOR_SHIFT = 8;

  /** How that is told among the flags. */
  static final int BAD_CRC_FLAG = VENDOR_BAD_CRC << VENDOR_SHIFT;

  // How status, opcode, flags and queue pair number lie in one word of the completion queue.
  private static final int OPCODE_SHIFT = 8;
  private static final int FLAGS_SHIFT = 16;
  private static final int NUMBER_SHIFT = 32;
  private static final int BYTE_MASK = 0xff;

  private long wrId;
  private long meta;
  private long lengthAndImmediate;

  /** A completion of nothing. */
  public WorkCompletion() {}

  static long meta(WcStatus status, WcOpcode opcode, int flags, int queuePairNumber) {
    return status.code()
        | opcode.code() << OPCODE_SHIFT
        | (long) flags << FLAGS_SHIFT
        | (long) queuePairNumber << NUMBER_SHIFT;
  }

  /** No references: a store of one costs more than all of this with some garbage collectors. */
  void set(long wrId, long meta, long lengthAndImmediate) {
    this.wrId = wrId;
    this.meta = meta;
    this.lengthAndImmediate = lengthAndImmediate;
  }

  /** What the request was posted with. */
  public long wrId() {
    return wrId;
  }

  /** What became of it. */
  public WcStatus status() {
    return WcStatus.of((int) meta & BYTE_MASK);
  }

  /**
   * More about a {@link WcStatus#GENERAL_ERR} ({@code vendor_err}): {@link #VENDOR_BAD_CRC}, or 0.
   */
  public int vendorError() {
    return ((int) meta >>> (FLAGS_SHIFT + VENDOR_SHIFT)) & BYTE_MASK;
  }

  /** Whether it succeeded. */
  public boolean isSuccess() {
    return ((int) meta & BYTE_MASK) == 0;
  }

  /** Which operation it was; of a flushed receive always {@link WcOpcode#RECV}. */
  public WcOpcode opcode() {
    return WcOpcode.of((int) meta >>> OPCODE_SHIFT & BYTE_MASK);
  }

  /** How many bytes were sent, written or received; 0 unless it succeeded. */
  public int byteLength() {
    return (int) (lengthAndImmediate >>> Integer.SIZE);
  }

  /** Whether there is {@link #immediate()} data with it. */
  public boolean withImmediate() {
    return isFlagged(WITH_IMMEDIATE);
  }

  /** The immediate data of the peer. */
  public int immediate() {
    return (int) lengthAndImmediate;
  }

  /** Whether a region of this side was deregistered with it. */
  public boolean withInvalidate() {
    return isFlagged(WITH_INVALIDATE);
  }

  /** The rkey of the region that was deregistered with it. */
  public int invalidatedKey() {
    return withInvalidate() ? immediate() : 0;
  }

  /** Whether the sender of this message asked that its receiver be woken. */
  public boolean isSolicited() {
    return isFlagged(SOLICITED);
  }

  /** {@link QueuePair#number()} of the queue pair it was posted to. */
  public int queuePairNumber() {
    return (int) (meta >>> NUMBER_SHIFT);
  }

  private boolean isFlagged(int flag) {
    return ((int) meta >>> FLAGS_SHIFT & flag) != 0;
  }
}
