package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;

/**
 * What {@link QueuePair#postSend} shall do ({@code ibv_send_wr}); filled anew for every post and
 * never kept by the queue pair. Not thread-safe.
 *
 * <p>Begin with {@link #send}, {@link #write} or {@link #writeWithImmediate}, which reset the rest;
 * then say where the data is, with {@link #sge} or {@link #inline}.
 */
public final class WorkRequest {
  /** What to do. */
  enum Operation {
    SEND,
    WRITE,
    WRITE_WITH_IMMEDIATE
  }

  Operation operation = Operation.SEND;
  long wrId;
  boolean signaled;
  boolean inline;
  int localKey;
  MemorySegment inlineData = MemorySegment.NULL;
  long localOffset;
  int lengthBytes;
  int remoteKey;
  long remoteOffset;
  int immediate;

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
   * A write into the peer's memory that the peer does not notice.
   *
   * @param id returned in the completion
   * @param rkey the peer's region
   * @param offset where in that region, in bytes from its beginning
   * @return this
   */
  public WorkRequest write(long id, int rkey, long offset) {
    begin(Operation.WRITE, id);
    remoteKey = rkey;
    remoteOffset = offset;
    return this;
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
    begin(Operation.WRITE_WITH_IMMEDIATE, id);
    remoteKey = rkey;
    remoteOffset = offset;
    immediate = data;
    return this;
  }

  /**
   * Takes the data from a registered region, which must not change until the completion.
   *
   * @param lkey the region
   * @param offset where in that region, in bytes from its beginning
   * @param length how many bytes, not negative
   * @return this
   */
  public WorkRequest sge(int lkey, long offset, int length) {
    inline = false;
    localKey = lkey;
    localOffset = offset;
    lengthBytes = length;
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
  public WorkRequest inline(MemorySegment data, long offset, int length) {
    inline = true;
    inlineData = data;
    localOffset = offset;
    lengthBytes = length;
    return this;
  }

  /** Whether success gets a completion too (it does unless told otherwise); failure always does. */
  public WorkRequest signaled(boolean on) {
    signaled = on;
    return this;
  }

  private WorkRequest begin(Operation what, long id) {
    operation = what;
    wrId = id;
    signaled = true;
    inline = false;
    inlineData = MemorySegment.NULL;
    localKey = 0;
    localOffset = 0;
    lengthBytes = 0;
    remoteKey = 0;
    remoteOffset = 0;
    immediate = 0;
    return this;
  }
}
