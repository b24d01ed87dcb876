package io.twinspan.nvme;

/**
 * Numbers and data layouts of the reservation commands (NVM Express 1.4, sections 6.10 to 6.13 and
 * 8.8).
 *
 * <pre>
 *   Register  CDW10: RREGA (2:0), IEKEY (3), CPTPL (31:30)   data, 16 bytes: CRKEY at 0, NRKEY at 8
 *   Acquire   CDW10: RACQA (2:0), IEKEY (3), RTYPE (15:8)    data, 16 bytes: CRKEY at 0, PRKEY at 8
 *   Release   CDW10: RRELA (2:0), IEKEY (3), RTYPE (15:8)    data,  8 bytes: CRKEY at 0
 *   Report    CDW10: NUMD (dwords less one); CDW11: EDS (0)  data: {@link ReservationReport}
 * </pre>
 *
 * <p>Keys are little-endian and 8 bytes long.
 */
public final class Reservation {
  /** RTYPE: no reservation is held. */
  public static final int NONE = 0;

  /** RTYPE: only the holder writes, everybody reads. */
  public static final int WRITE_EXCLUSIVE = 1;

  /** RTYPE: only the holder reads and writes. */
  public static final int EXCLUSIVE_ACCESS = 2;

  /** RTYPE: only registrants write, everybody reads. */
  public static final int WRITE_EXCLUSIVE_REGISTRANTS = 3;

  /** RTYPE: only registrants read and write. */
  public static final int EXCLUSIVE_ACCESS_REGISTRANTS = 4;

  /** RTYPE: as {@link #WRITE_EXCLUSIVE_REGISTRANTS}, and every registrant is a holder. */
  public static final int WRITE_EXCLUSIVE_ALL = 5;

  /** RTYPE: as {@link #EXCLUSIVE_ACCESS_REGISTRANTS}, and every registrant is a holder. */
  public static final int EXCLUSIVE_ACCESS_ALL = 6;

  /** RREGA: register NRKEY. */
  public static final int REGISTER = 0;

  /** RREGA: unregister CRKEY. */
  public static final int UNREGISTER = 1;

  /** RREGA: replace CRKEY by NRKEY. */
  public static final int REPLACE = 2;

  /** RACQA: acquire. */
  public static final int ACQUIRE = 0;

  /** RACQA: preempt whoever registered PRKEY. */
  public static final int PREEMPT = 1;

  /** RACQA: preempt, and abort the commands of whoever registered PRKEY. */
  public static final int PREEMPT_AND_ABORT = 2;

  /** RRELA: release. */
  public static final int RELEASE = 0;

  /** RRELA: clear reservation and registrations. */
  public static final int CLEAR = 1;

  /** IEKEY: ignore the existing key. */
  public static final int IGNORE_EXISTING_KEY = 1 << 3;

  /** CDW11 of Report, EDS: the extended data structure. */
  public static final int EXTENDED_DATA = 1;

  /** Offset of CRKEY in the data of Register, Acquire and Release. */
  public static final int CURRENT_KEY_OFFSET = 0;

  /** Offset of NRKEY in the data of Register, and of PRKEY in that of Acquire. */
  public static final int OTHER_KEY_OFFSET = 8;

  /** Size of the data of Register and Acquire in bytes. */
  public static final int KEYS_BYTES = 16;

  private Reservation() {}

  /**
   * {@return the action in CDW10 of Register, Acquire and Release}
   *
   * @param cdw10 command dword 10
   */
  public static int action(int cdw10) {
    return cdw10 & 7;
  }

  /**
   * {@return the reservation type in CDW10 of Acquire and Release}
   *
   * @param cdw10 command dword 10
   */
  public static int type(int cdw10) {
    return cdw10 >>> 8 & 0xff;
  }

  /**
   * {@return CDW10 of Register (type 0), Acquire and Release}
   *
   * @param action one of the actions
   * @param type one of the types
   */
  public static int cdw10(int action, int type) {
    return (action & 7) | type << 8;
  }
}
