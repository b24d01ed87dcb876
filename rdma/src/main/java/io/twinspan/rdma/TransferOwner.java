package io.twinspan.rdma;

/** Who puts transfers into a channel's descriptor ring and hears what became of them, in order. */
interface TransferOwner {
  /**
   * The engine is done with a request's last transfer, or one of its transfers has failed. May come
   * for a request that its owner has given up since.
   *
   * @param index what {@link Channel#insert} was given
   * @param dmaStatus one of {@link io.twinspan.dma.DmaStatus}
   */
  void transferred(long index, int dmaStatus);
}
