package io.twinspan.rdma;

/** Who puts transfers into a channel's descriptor ring and hears what became of them, in order. */
interface TransferOwner {
  /**
   * Before {@link #transferred}: the CRC-32C of one of the request's transfers, if it was inserted
   * as a {@link io.twinspan.dma.Opcode#COPY_CRC}, in their order.
   */
  default void copied(long index, int crc) {}

  /**
   * The engine is done with a request's last transfer, or one of its transfers has failed. May come
   * for a request that its owner has given up since.
   *
   * @param index what {@link Channel#insert} was given
   * @param dmaStatus one of {@link io.twinspan.dma.DmaStatus}
   */
  void transferred(long index, int dmaStatus);
}
