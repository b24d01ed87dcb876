package io.twinspan.nvme;

/**
 * Status codes of completions, {@code SCT << 8 | SC} (NVM Express 1.4, section 4.6.1), and negative
 * ones of this library.
 *
 * <p>0xx generic, 1xx command specific, 2xx media and data integrity. The bits "do not retry" and
 * "more" are no part of it.
 */
public final class Status {
  /** Success. */
  public static final int SUCCESS = 0x000;

  /** Invalid Command Opcode. */
  public static final int INVALID_OPCODE = 0x001;

  /** Invalid Field in Command. */
  public static final int INVALID_FIELD = 0x002;

  /** Command ID Conflict. */
  public static final int COMMAND_ID_CONFLICT = 0x003;

  /** Data Transfer Error. */
  public static final int DATA_TRANSFER_ERROR = 0x004;

  /** Commands Aborted due to Power Loss Notification. */
  public static final int POWER_LOSS_ABORT = 0x005;

  /** Internal Error. */
  public static final int INTERNAL_ERROR = 0x006;

  /** Command Abort Requested. */
  public static final int ABORT_REQUESTED = 0x007;

  /** Command Aborted due to SQ Deletion. */
  public static final int ABORTED_SQ_DELETION = 0x008;

  /** Invalid Namespace or Format. */
  public static final int INVALID_NAMESPACE = 0x00b;

  /** Command Sequence Error. */
  public static final int COMMAND_SEQUENCE_ERROR = 0x00c;

  /** Invalid SGL Segment Descriptor. */
  public static final int INVALID_SGL_SEGMENT = 0x00d;

  /** Invalid Number of SGL Descriptors. */
  public static final int INVALID_SGL_COUNT = 0x00e;

  /** Data SGL Length Invalid. */
  public static final int INVALID_SGL_LENGTH = 0x00f;

  /** SGL Descriptor Type Invalid. */
  public static final int INVALID_SGL_TYPE = 0x011;

  /** PRP Offset Invalid. */
  public static final int INVALID_PRP_OFFSET = 0x013;

  /** Host Identifier Inconsistent Format. */
  public static final int HOST_ID_INCONSISTENT = 0x018;

  /** LBA Out of Range. */
  public static final int LBA_OUT_OF_RANGE = 0x080;

  /** Capacity Exceeded. */
  public static final int CAPACITY_EXCEEDED = 0x081;

  /** Namespace Not Ready. */
  public static final int NAMESPACE_NOT_READY = 0x082;

  /** Reservation Conflict. */
  public static final int RESERVATION_CONFLICT = 0x083;

  /** Completion Queue Invalid. */
  public static final int INVALID_CQ = 0x100;

  /** Invalid Queue Identifier. */
  public static final int INVALID_QUEUE_ID = 0x101;

  /** Invalid Queue Size. */
  public static final int INVALID_QUEUE_SIZE = 0x102;

  /** Abort Command Limit Exceeded. */
  public static final int ABORT_LIMIT = 0x103;

  /** Asynchronous Event Request Limit Exceeded. */
  public static final int ASYNC_EVENT_LIMIT = 0x105;

  /** Invalid Interrupt Vector. */
  public static final int INVALID_INTERRUPT_VECTOR = 0x108;

  /** Invalid Log Page. */
  public static final int INVALID_LOG_PAGE = 0x109;

  /** Invalid Queue Deletion. */
  public static final int INVALID_QUEUE_DELETION = 0x10c;

  /** Feature Identifier Not Saveable. */
  public static final int FEATURE_NOT_SAVEABLE = 0x10d;

  /** Feature Not Changeable. */
  public static final int FEATURE_NOT_CHANGEABLE = 0x10e;

  /** Write Fault. */
  public static final int WRITE_FAULT = 0x280;

  /** Unrecovered Read Error. */
  public static final int UNRECOVERED_READ = 0x281;

  /** Compare Failure. */
  public static final int COMPARE_FAILURE = 0x285;

  /** Access Denied. */
  public static final int ACCESS_DENIED = 0x286;

  /**
   * No answer will come: the controller has failed, was removed or was reset. It does not touch the
   * command's memory any more.
   */
  public static final int GONE = -1;

  /** Not submitted: no free command slot; poll, then try again. */
  public static final int FULL = -2;

  /** Not submitted: length, alignment or memory that the drive cannot reach. */
  public static final int BAD_ARGUMENT = -3;

  /**
   * The queue pair was closed without an answer of a drive that could not be stopped: the drive may
   * still touch the memory of the command, so nobody may use it again.
   */
  public static final int UNSETTLED = -4;

  private Status() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param status one of the constants
   */
  public static String name(int status) {
    return switch (status) {
      case SUCCESS -> "Success";
      case INVALID_OPCODE -> "Invalid Command Opcode";
      case INVALID_FIELD -> "Invalid Field in Command";
      case COMMAND_ID_CONFLICT -> "Command ID Conflict";
      case DATA_TRANSFER_ERROR -> "Data Transfer Error";
      case POWER_LOSS_ABORT -> "Commands Aborted due to Power Loss Notification";
      case INTERNAL_ERROR -> "Internal Error";
      case ABORT_REQUESTED -> "Command Abort Requested";
      case ABORTED_SQ_DELETION -> "Command Aborted due to SQ Deletion";
      case INVALID_NAMESPACE -> "Invalid Namespace or Format";
      case COMMAND_SEQUENCE_ERROR -> "Command Sequence Error";
      case INVALID_SGL_SEGMENT -> "Invalid SGL Segment Descriptor";
      case INVALID_SGL_COUNT -> "Invalid Number of SGL Descriptors";
      case INVALID_SGL_LENGTH -> "Data SGL Length Invalid";
      case INVALID_SGL_TYPE -> "SGL Descriptor Type Invalid";
      case INVALID_PRP_OFFSET -> "PRP Offset Invalid";
      case HOST_ID_INCONSISTENT -> "Host Identifier Inconsistent Format";
      case LBA_OUT_OF_RANGE -> "LBA Out of Range";
      case CAPACITY_EXCEEDED -> "Capacity Exceeded";
      case NAMESPACE_NOT_READY -> "Namespace Not Ready";
      case RESERVATION_CONFLICT -> "Reservation Conflict";
      case INVALID_CQ -> "Completion Queue Invalid";
      case INVALID_QUEUE_ID -> "Invalid Queue Identifier";
      case INVALID_QUEUE_SIZE -> "Invalid Queue Size";
      case ABORT_LIMIT -> "Abort Command Limit Exceeded";
      case ASYNC_EVENT_LIMIT -> "Asynchronous Event Request Limit Exceeded";
      case INVALID_INTERRUPT_VECTOR -> "Invalid Interrupt Vector";
      case INVALID_LOG_PAGE -> "Invalid Log Page";
      case INVALID_QUEUE_DELETION -> "Invalid Queue Deletion";
      case FEATURE_NOT_SAVEABLE -> "Feature Identifier Not Saveable";
      case FEATURE_NOT_CHANGEABLE -> "Feature Not Changeable";
      case WRITE_FAULT -> "Write Fault";
      case UNRECOVERED_READ -> "Unrecovered Read Error";
      case COMPARE_FAILURE -> "Compare Failure";
      case ACCESS_DENIED -> "Access Denied";
      case GONE -> "Controller Gone";
      case FULL -> "Queue Full";
      case BAD_ARGUMENT -> "Bad Argument";
      case UNSETTLED -> "Unsettled";
      default -> "status 0x" + Integer.toHexString(status);
    };
  }
}
