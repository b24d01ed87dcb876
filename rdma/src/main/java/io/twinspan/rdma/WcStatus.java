package io.twinspan.rdma;

import java.util.Arrays;

/** What became of a work request; names and numbers of {@code ibv_wc_status}. */
public enum WcStatus {
  /** Done; what was sent or written is visible in the peer's memory. */
  SUCCESS(0),
  /** The message is longer than the buffer, or longer than allowed. */
  LOC_LEN_ERR(1),
  /** The queue pair can't do this operation. */
  LOC_QP_OP_ERR(2),
  /** The local key or range is not valid. */
  LOC_PROT_ERR(4),
  /** The queue pair failed before this request was carried out. It may, or may not, have acted. */
  WR_FLUSH_ERR(5),
  /** The peer's answer makes no sense. */
  BAD_RESP_ERR(7),
  /** The peer has no buffer that is long enough for this message. */
  REM_INV_REQ_ERR(9),
  /** The remote key, range or right is not valid, or was taken back meanwhile. */
  REM_ACCESS_ERR(10),
  /** The peer's receive is not usable. */
  REM_OP_ERR(11),
  /** The peer did not answer in time. */
  RETRY_EXC_ERR(12),
  /** The peer posted no receive in time. */
  RNR_RETRY_EXC_ERR(13),
  /** Something else; the queue pair has failed. */
  GENERAL_ERR(21);

  private static final WcStatus[] BY_CODE = new WcStatus[32];

  static {
    Arrays.fill(BY_CODE, GENERAL_ERR);
    for (WcStatus status : values()) {
      BY_CODE[status.code] = status;
    }
  }

  private final int code;

  WcStatus(int code) {
    this.code = code;
  }

  /** The number in verbs. */
  public int code() {
    return code;
  }

  /** That of a number that {@link #code} gave. */
  static WcStatus of(int code) {
    return BY_CODE[code];
  }
}
