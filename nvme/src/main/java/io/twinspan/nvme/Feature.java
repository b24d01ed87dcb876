package io.twinspan.nvme;

/** Feature identifiers (NVM Express 1.4, section 5.21.1). */
public final class Feature {
  /** Arbitration. */
  public static final int ARBITRATION = 0x01;

  /** Power Management. */
  public static final int POWER_MANAGEMENT = 0x02;

  /** Temperature Threshold. */
  public static final int TEMPERATURE_THRESHOLD = 0x04;

  /** Error Recovery. */
  public static final int ERROR_RECOVERY = 0x05;

  /** Volatile Write Cache: bit 0 is WCE, enabled. */
  public static final int VOLATILE_WRITE_CACHE = 0x06;

  /** Number of Queues: NCQR (31:16) and NSQR (15:0), both less one. */
  public static final int NUMBER_OF_QUEUES = 0x07;

  /** Interrupt Coalescing. */
  public static final int INTERRUPT_COALESCING = 0x08;

  /** Interrupt Vector Configuration. */
  public static final int INTERRUPT_VECTOR = 0x09;

  /** Write Atomicity Normal. */
  public static final int WRITE_ATOMICITY = 0x0a;

  /** Asynchronous Event Configuration. */
  public static final int ASYNC_EVENT = 0x0b;

  /** Timestamp. */
  public static final int TIMESTAMP = 0x0e;

  /** Host Identifier: with EXHID (CDW11 bit 0) 128 bits of data, else 64. */
  public static final int HOST_IDENTIFIER = 0x81;

  /** Reservation Notification Mask. */
  public static final int RESERVATION_NOTIFICATION_MASK = 0x82;

  /** Reservation Persistence: bit 0 is PTPL. */
  public static final int RESERVATION_PERSISTENCE = 0x83;

  private Feature() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param value one of the constants
   */
  public static String name(int value) {
    return switch (value) {
      case ARBITRATION -> "Arbitration";
      case POWER_MANAGEMENT -> "Power Management";
      case TEMPERATURE_THRESHOLD -> "Temperature Threshold";
      case ERROR_RECOVERY -> "Error Recovery";
      case VOLATILE_WRITE_CACHE -> "Volatile Write Cache";
      case NUMBER_OF_QUEUES -> "Number of Queues";
      case INTERRUPT_COALESCING -> "Interrupt Coalescing";
      case INTERRUPT_VECTOR -> "Interrupt Vector Configuration";
      case WRITE_ATOMICITY -> "Write Atomicity Normal";
      case ASYNC_EVENT -> "Asynchronous Event Configuration";
      case TIMESTAMP -> "Timestamp";
      case HOST_IDENTIFIER -> "Host Identifier";
      case RESERVATION_NOTIFICATION_MASK -> "Reservation Notification Mask";
      case RESERVATION_PERSISTENCE -> "Reservation Persistence";
      default -> "0x" + Integer.toHexString(value);
    };
  }
}
