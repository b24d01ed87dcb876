package io.twinspan.shelf;

/**
 * The reservation types and what each lets hosts do (NVM Express 1.4, section 8.8 and figure
 * "Command Behavior in the Presence of a Reservation").
 */
enum ReservationType {
  /** No reservation: everybody reads and writes. */
  NONE(0, false, false, false),
  /** The holder writes, everybody reads. */
  WRITE_EXCLUSIVE(1, false, false, false),
  /** The holder reads and writes. */
  EXCLUSIVE_ACCESS(2, true, false, false),
  /** Registrants write, everybody reads. */
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY(3, false, true, false),
  /** Registrants read and write. */
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY(4, true, true, false),
  /** Registrants write and are all holders, everybody reads. */
  WRITE_EXCLUSIVE_ALL_REGISTRANTS(5, false, true, true),
  /** Registrants read and write and are all holders. */
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS(6, true, true, true);

  private static final ReservationType[] BY_CODE = values();

  private final int code;
  private final boolean guardsReads;
  private final boolean sharedByRegistrants;
  private final boolean heldByAllRegistrants;

  ReservationType(
      int code, boolean guardsReads, boolean sharedByRegistrants, boolean heldByAllRegistrants) {
    this.code = code;
    this.guardsReads = guardsReads;
    this.sharedByRegistrants = sharedByRegistrants;
    this.heldByAllRegistrants = heldByAllRegistrants;
  }

  /** The type with the given RTYPE, {@link #NONE} for 0 and for values the specification lacks. */
  static ReservationType of(int code) {
    return code > 0 && code < BY_CODE.length ? BY_CODE[code] : NONE;
  }

  /** RTYPE on the wire. */
  int code() {
    return code;
  }

  /** Whether reads of those left out are refused too. */
  boolean guardsReads() {
    return guardsReads;
  }

  /** Whether every registrant has the holder's access. */
  boolean sharedByRegistrants() {
    return sharedByRegistrants;
  }

  /** Whether every registrant is a holder. */
  boolean heldByAllRegistrants() {
    return heldByAllRegistrants;
  }
}
