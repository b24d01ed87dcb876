package io.twinspan.nvme;

/** Opcodes of administrative commands (NVM Express 1.4, section 5, figure 139). */
public final class AdminOpcode {
  /** Delete I/O Submission Queue. */
  public static final int DELETE_IO_SQ = 0x00;

  /** Create I/O Submission Queue. */
  public static final int CREATE_IO_SQ = 0x01;

  /** Get Log Page. */
  public static final int GET_LOG_PAGE = 0x02;

  /** Delete I/O Completion Queue. */
  public static final int DELETE_IO_CQ = 0x04;

  /** Create I/O Completion Queue. */
  public static final int CREATE_IO_CQ = 0x05;

  /** Identify. */
  public static final int IDENTIFY = 0x06;

  /** Abort. */
  public static final int ABORT = 0x08;

  /** Set Features. */
  public static final int SET_FEATURES = 0x09;

  /** Get Features. */
  public static final int GET_FEATURES = 0x0a;

  /** Asynchronous Event Request. */
  public static final int ASYNC_EVENT_REQUEST = 0x0c;

  /** Keep Alive. */
  public static final int KEEP_ALIVE = 0x18;

  /** Doorbell Buffer Config. */
  public static final int DOORBELL_BUFFER_CONFIG = 0x7c;

  /** Format NVM. */
  public static final int FORMAT_NVM = 0x80;

  private AdminOpcode() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param value one of the constants
   */
  public static String name(int value) {
    return switch (value) {
      case DELETE_IO_SQ -> "Delete I/O Submission Queue";
      case CREATE_IO_SQ -> "Create I/O Submission Queue";
      case GET_LOG_PAGE -> "Get Log Page";
      case DELETE_IO_CQ -> "Delete I/O Completion Queue";
      case CREATE_IO_CQ -> "Create I/O Completion Queue";
      case IDENTIFY -> "Identify";
      case ABORT -> "Abort";
      case SET_FEATURES -> "Set Features";
      case GET_FEATURES -> "Get Features";
      case ASYNC_EVENT_REQUEST -> "Asynchronous Event Request";
      case KEEP_ALIVE -> "Keep Alive";
      case DOORBELL_BUFFER_CONFIG -> "Doorbell Buffer Config";
      case FORMAT_NVM -> "Format NVM";
      default -> "0x" + Integer.toHexString(value);
    };
  }
}
