package io.twinspan.rdma;

import java.util.Arrays;

/** Which operation a work completion is about; names and numbers of {@code ibv_wc_opcode}. */
public enum WcOpcode {
  /** A message was sent. */
  SEND(0),
  /** Memory of the peer was written, with or without immediate data. */
  RDMA_WRITE(1),
  /** Memory of the peer was read. */
  RDMA_READ(2),
  /** Memory of the peer was compared, and swapped if it was equal. */
  COMP_SWAP(3),
  /** Memory of the peer was added to. */
  FETCH_ADD(4),
  /** A message was received. */
  RECV(1 << 7),
  /** The peer wrote into this side's memory and announced it with immediate data. */
  RECV_RDMA_WITH_IMM((1 << 7) + 1);

  private static final WcOpcode[] BY_CODE = new WcOpcode[256];

  static {
    Arrays.fill(BY_CODE, SEND);
    for (WcOpcode opcode : values()) {
      BY_CODE[opcode.code] = opcode;
    }
  }

  private final int code;

  WcOpcode(int code) {
    this.code = code;
  }

  /** The number in verbs. */
  public int code() {
    return code;
  }

  /** That of a number that {@link #code} gave. */
  static WcOpcode of(int code) {
    return BY_CODE[code];
  }
}
