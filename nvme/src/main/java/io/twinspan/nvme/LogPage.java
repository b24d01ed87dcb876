package io.twinspan.nvme;

/** Log page identifiers (NVM Express 1.4, section 5.14.1). */
public final class LogPage {
  /** Error Information. */
  public static final int ERROR = 0x01;

  /** SMART / Health Information. */
  public static final int SMART = 0x02;

  /** Firmware Slot Information. */
  public static final int FIRMWARE_SLOT = 0x03;

  /** Changed Namespace List. */
  public static final int CHANGED_NAMESPACES = 0x04;

  /** Commands Supported and Effects. */
  public static final int COMMANDS_SUPPORTED = 0x05;

  /** Reservation Notification. */
  public static final int RESERVATION_NOTIFICATION = 0x80;

  private LogPage() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param value one of the constants
   */
  public static String name(int value) {
    return switch (value) {
      case ERROR -> "Error Information";
      case SMART -> "SMART / Health Information";
      case FIRMWARE_SLOT -> "Firmware Slot Information";
      case CHANGED_NAMESPACES -> "Changed Namespace List";
      case COMMANDS_SUPPORTED -> "Commands Supported and Effects";
      case RESERVATION_NOTIFICATION -> "Reservation Notification";
      default -> "0x" + Integer.toHexString(value);
    };
  }
}
