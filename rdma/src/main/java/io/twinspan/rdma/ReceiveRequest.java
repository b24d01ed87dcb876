package io.twinspan.rdma;

import org.jspecify.annotations.Nullable;

/**
 * What {@link QueuePair#postReceive(ReceiveRequest)} shall do ({@code ibv_recv_wr}); filled anew
 * for every post and never kept. A message goes into the buffers in their order. Not thread-safe.
 */
public final class ReceiveRequest {
  /** How many buffers a receive may have (max_recv_sge). */
  public static final int MAX_SGE = ChannelLayout.MAX_SGE;

  long wrId;
  int sges;
  final @Nullable MemoryRegion[] regions = new @Nullable MemoryRegion[MAX_SGE];
  final long[] offsets = new long[MAX_SGE];
  final int[] lengths = new int[MAX_SGE];

  /** A receive without a buffer. */
  public ReceiveRequest() {}

  /**
   * A receive without a buffer, for an empty message or immediate data.
   *
   * @param id returned in the completion
   * @return this
   */
  public ReceiveRequest receive(long id) {
    wrId = id;
    sges = 0;
    return this;
  }

  /**
   * Adds a buffer.
   *
   * @param region registered on the channel with {@link Access#LOCAL_WRITE}
   * @param offset where in that region, in bytes from its beginning
   * @param lengthBytes size of the buffer, not negative
   * @return this
   */
  public ReceiveRequest sge(MemoryRegion region, long offset, int lengthBytes) {
    if (sges < MAX_SGE) {
      regions[sges] = region;
      offsets[sges] = offset;
      lengths[sges] = lengthBytes;
    }
    sges++; // a list that is too long is refused when it is posted
    return this;
  }
}
