package io.twinspan.rdma;

/**
 * What became of one work request ({@code ibv_wc}); filled by {@link CompletionQueue#poll}, reused.
 */
public final class WorkCompletion {
  private long wrId;
  private WcStatus status = WcStatus.SUCCESS;
  private WcOpcode opcode = WcOpcode.SEND;
  private int byteLength;
  private int immediate;
  private boolean withImmediate;
  private int queuePairNumber;

  /** A completion of nothing. */
  public WorkCompletion() {}

  void set(
      long wrId,
      WcStatus status,
      WcOpcode opcode,
      int byteLength,
      boolean withImmediate,
      int immediate,
      int queuePairNumber) {
    this.wrId = wrId;
    this.status = status;
    this.opcode = opcode;
    this.byteLength = byteLength;
    this.withImmediate = withImmediate;
    this.immediate = immediate;
    this.queuePairNumber = queuePairNumber;
  }

  void set(WorkCompletion from) {
    set(
        from.wrId,
        from.status,
        from.opcode,
        from.byteLength,
        from.withImmediate,
        from.immediate,
        from.queuePairNumber);
  }

  /** What the request was posted with. */
  public long wrId() {
    return wrId;
  }

  /** What became of it. */
  public WcStatus status() {
    return status;
  }

  /** Whether it succeeded. */
  public boolean isSuccess() {
    return status == WcStatus.SUCCESS;
  }

  /** Which operation it was; of a flushed receive always {@link WcOpcode#RECV}. */
  public WcOpcode opcode() {
    return opcode;
  }

  /** How many bytes were sent, written or received; 0 unless it succeeded. */
  public int byteLength() {
    return byteLength;
  }

  /** Whether there is {@link #immediate()} data with it. */
  public boolean withImmediate() {
    return withImmediate;
  }

  /** The immediate data of the peer. */
  public int immediate() {
    return immediate;
  }

  /** {@link QueuePair#number()} of the queue pair it was posted to. */
  public int queuePairNumber() {
    return queuePairNumber;
  }
}
