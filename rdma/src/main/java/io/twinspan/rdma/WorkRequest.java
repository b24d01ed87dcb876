package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;

/**
 * What {@link QueuePair#postSend} shall do ({@code ibv_send_wr}); filled anew for every post and
 * never kept by the queue pair. Not thread-safe.
 *
 * <p>Begin with the operation, such as {@link #send} or {@link #write}, which resets the rest; then
 * say where the data is, with up to {@link #MAX_SGE} calls of {@link #sge} or one of {@link
 * #inline}; without either the message is empty.
 */
public final class WorkRequest {
  /** How many entries the list of local buffers may have (max_send_sge). */
  public static final int MAX_SGE = ChannelLayout.MAX_SGE;

  /** What to do. */
  enum Operation {
    SEND(WcOpcode.SEND, true, true, 0, 0),
    SEND_WITH_IMMEDIATE(WcOpcode.SEND, true, true, ChannelLayout.FLAG_IMMEDIATE, 0),
    SEND_WITH_INVALIDATE(WcOpcode.SEND, true, true, ChannelLayout.FLAG_INVALIDATE, 0),
    WRITE(WcOpcode.RDMA_WRITE, false, false, 0, 0),
    WRITE_WITH_IMMEDIATE(WcOpcode.RDMA_WRITE, false, true, ChannelLayout.FLAG_IMMEDIATE, 0),
    READ(WcOpcode.RDMA_READ, false, false, 0, ChannelLayout.OPCODE_READ),
    COMPARE_AND_SWAP(WcOpcode.COMP_SWAP, false, false, 0, ChannelLayout.OPCODE_COMPARE_SWAP),
    FETCH_AND_ADD(WcOpcode.FETCH_ADD, false, false, 0, ChannelLayout.OPCODE_FETCH_ADD);

    final WcOpcode wcOpcode;
    final boolean isSend;
    final boolean takesReceive;
    final int fillFlags;
    final boolean hasImmediate;

    /** What the peer is asked for; 0 for what this side does itself. */
    final int requestOpcode;

    final boolean isAnswered;

    Operation(
        WcOpcode wcOpcode, boolean isSend, boolean takesReceive, int fillFlags, int requestOpcode) {
      this.wcOpcode = wcOpcode;
      this.isSend = isSend;
      this.takesReceive = takesReceive;
      this.fillFlags = fillFlags;
      hasImmediate = fillFlags != 0;
      this.requestOpcode = requestOpcode;
      isAnswered = requestOpcode != 0;
    }
  }

  Operation operation = Operation.SEND;
  long wrId;
  boolean signaled;
  boolean fence;
  boolean solicited;
  boolean inline;
  MemorySegment inlineData = MemorySegment.NULL;
  long inlineOffset;
  int inlineLength;
  int sges;
  final int[] localKeys = new int[MAX_SGE];
  final long[] localOffsets = new long[MAX_SGE];
  final int[] lengths = new int[MAX_SGE];
  int remoteKey;
  long remoteOffset;
  int immediate;
  long compareAdd;
  long swap;

  /** An empty message. */
  public WorkRequest() {}

  /**
   * A message for the peer's next receive.
   *
   * @param id returned in the completion
   * @return this
   */
  public WorkRequest send(long id) {
    return begin(Operation.SEND, id);
  }

  /**
   * A message with immediate data.
   *
   * @param id returned in the completion
   * @param data given to the peer with its completion
   * @return this
   */
  public WorkRequest sendWithImmediate(long id, int data) {
    begin(Operation.SEND_WITH_IMMEDIATE, id);
    immediate = data;
    return this;
  }

  /**
   * A message that also deregisters a region of the peer, before the peer is told of the message.
   *
   * @param id returned in the completion
   * @param rkey the peer's region on this channel; if it is not valid the queue pair fails
   * @return this
   */
  public WorkRequest sendWithInvalidate(long id, int rkey) {
    begin(Operation.SEND_WITH_INVALIDATE, id);
    immediate = rkey;
    return this;
  }

  /**
   * A read of the peer's memory, carried out by the peer's side of the link. The local buffers must
   * lie in regions of this channel's segment with {@link Access#LOCAL_WRITE}.
   *
   * @param id returned in the completion
   * @param rkey the peer's region, with {@link Access#REMOTE_READ}
   * @param offset where in that region, in bytes from its beginning
   * @return this
   */
  public WorkRequest read(long id, int rkey, long offset) {
    return begin(Operation.READ, id).remote(rkey, offset);
  }

  /**
   * Compares 8 bytes of the peer's memory and swaps them if they are equal, atomically. What was
   * there goes to the one local buffer, 8 bytes in any region with {@link Access#LOCAL_WRITE}.
   *
   * @param id returned in the completion
   * @param rkey the peer's region, with {@link Access#REMOTE_ATOMIC}
   * @param offset where in that region; the address must be a multiple of 8
   * @param compare what is expected there
   * @param newValue what is stored then
   * @return this
   */
  public WorkRequest compareAndSwap(long id, int rkey, long offset, long compare, long newValue) {
    begin(Operation.COMPARE_AND_SWAP, id).remote(rkey, offset);
    compareAdd = compare;
    swap = newValue;
    return this;
  }

  /**
   * Adds to 8 bytes of the peer's memory, atomically. What was there goes to the one local buffer,
   * 8 bytes in any region with {@link Access#LOCAL_WRITE}.
   *
   * @param id returned in the completion
   * @param rkey the peer's region, with {@link Access#REMOTE_ATOMIC}
   * @param offset where in that region; the address must be a multiple of 8
   * @param delta what is added
   * @return this
   */
  public WorkRequest fetchAndAdd(long id, int rkey, long offset, long delta) {
    begin(Operation.FETCH_AND_ADD, id).remote(rkey, offset);
    compareAdd = delta;
    return this;
  }

  /**
   * A write into the peer's memory that the peer does not notice.
   *
   * @param id returned in the completion
   * @param rkey the peer's region
   * @param offset where in that region, in bytes from its beginning
   * @return this
   */
  public WorkRequest write(long id, int rkey, long offset) {
    return begin(Operation.WRITE, id).remote(rkey, offset);
  }

  /**
   * A write into the peer's memory that completes one of its receives.
   *
   * @param id returned in the completion
   * @param rkey the peer's region
   * @param offset where in that region, in bytes from its beginning
   * @param data given to the peer with that completion
   * @return this
   */
  public WorkRequest writeWithImmediate(long id, int rkey, long offset, int data) {
    begin(Operation.WRITE_WITH_IMMEDIATE, id).remote(rkey, offset);
    immediate = data;
    return this;
  }

  /**
   * Adds a part of a registered region to the list of local buffers. What is sent from there must
   * not change until the completion.
   *
   * @param lkey the region
   * @param offset where in that region, in bytes from its beginning
   * @param length how many bytes, not negative
   * @return this
   */
  public WorkRequest sge(int lkey, long offset, int length) {
    if (sges < MAX_SGE) {
      localKeys[sges] = lkey;
      localOffsets[sges] = offset;
      lengths[sges] = length;
    }
    sges++; // a list that is too long is refused when it is posted
    return this;
  }

  /**
   * Takes the data from any memory, copied before the post returns.
   *
   * @param data any segment
   * @param offset where in it, in bytes
   * @param length how many bytes, at most the channel's {@link ChannelSpec#maxInlineBytes()}
   * @return this
   */
  @SuppressWarnings("MemorySegmentReferenceEquality") // another view of the same memory is stored
  public WorkRequest inline(MemorySegment data, long offset, int length) {
    inline = true;
    if (inlineData != data) {
      inlineData = data; // a store of a reference costs more than this with some collectors
    }
    inlineOffset = offset;
    inlineLength = length;
    return this;
  }

  /** Whether success gets a completion too (it does unless told otherwise); failure always does. */
  public WorkRequest signaled(boolean on) {
    signaled = on;
    return this;
  }

  /** Whether it begins only when all reads and atomics before it are complete; not by default. */
  public WorkRequest fence(boolean on) {
    fence = on;
    return this;
  }

  /** Whether it wakes a receiver that asked for solicited events only; not by default. */
  public WorkRequest solicited(boolean on) {
    solicited = on;
    return this;
  }

  /** Becomes the same as another one. */
  void copy(WorkRequest from) {
    operation = from.operation;
    wrId = from.wrId;
    signaled = from.signaled;
    fence = from.fence;
    solicited = from.solicited;
    inline = from.inline;
    inlineOffset = from.inlineOffset;
    inlineLength = from.inlineLength;
    sges = from.sges;
    for (int i = 0; i < MAX_SGE; i++) {
      localKeys[i] = from.localKeys[i];
      localOffsets[i] = from.localOffsets[i];
      lengths[i] = from.lengths[i];
    }
    remoteKey = from.remoteKey;
    remoteOffset = from.remoteOffset;
    immediate = from.immediate;
    compareAdd = from.compareAdd;
    swap = from.swap;
  }

  private WorkRequest begin(Operation what, long id) {
    if (operation != what) {
      operation = what;
    }
    wrId = id;
    signaled = true;
    fence = false;
    solicited = false;
    inline = false;
    sges = 0;
    remoteKey = 0;
    remoteOffset = 0;
    immediate = 0;
    compareAdd = 0;
    swap = 0;
    return this;
  }

  private WorkRequest remote(int rkey, long offset) {
    remoteKey = rkey;
    remoteOffset = offset;
    return this;
  }
}
