package io.twinspan.rdma;

/** Which operation a work completion is about; names of {@code ibv_wc_opcode}. */
public enum WcOpcode {
  /** A message was sent. */
  SEND,
  /** Memory of the peer was written, with or without immediate data. */
  RDMA_WRITE,
  /** A message was received. */
  RECV,
  /** The peer wrote into this side's memory and announced it with immediate data. */
  RECV_RDMA_WITH_IMM
}
