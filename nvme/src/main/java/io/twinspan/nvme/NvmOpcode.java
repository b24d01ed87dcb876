package io.twinspan.nvme;

/** Opcodes of the NVM command set (NVM Express 1.4, section 6, figure 346). */
public final class NvmOpcode {
  /** Flush. */
  public static final int FLUSH = 0x00;

  /** Write. */
  public static final int WRITE = 0x01;

  /** Read. */
  public static final int READ = 0x02;

  /** Write Uncorrectable. */
  public static final int WRITE_UNCORRECTABLE = 0x04;

  /** Compare. */
  public static final int COMPARE = 0x05;

  /** Write Zeroes. */
  public static final int WRITE_ZEROES = 0x08;

  /** Dataset Management. */
  public static final int DATASET_MANAGEMENT = 0x09;

  /** Verify. */
  public static final int VERIFY = 0x0c;

  /** Reservation Register. */
  public static final int RESERVATION_REGISTER = 0x0d;

  /** Reservation Report. */
  public static final int RESERVATION_REPORT = 0x0e;

  /** Reservation Acquire. */
  public static final int RESERVATION_ACQUIRE = 0x11;

  /** Reservation Release. */
  public static final int RESERVATION_RELEASE = 0x15;

  private NvmOpcode() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param value one of the constants
   */
  public static String name(int value) {
    return switch (value) {
      case FLUSH -> "Flush";
      case WRITE -> "Write";
      case READ -> "Read";
      case WRITE_UNCORRECTABLE -> "Write Uncorrectable";
      case COMPARE -> "Compare";
      case WRITE_ZEROES -> "Write Zeroes";
      case DATASET_MANAGEMENT -> "Dataset Management";
      case VERIFY -> "Verify";
      case RESERVATION_REGISTER -> "Reservation Register";
      case RESERVATION_REPORT -> "Reservation Report";
      case RESERVATION_ACQUIRE -> "Reservation Acquire";
      case RESERVATION_RELEASE -> "Reservation Release";
      default -> "0x" + Integer.toHexString(value);
    };
  }
}
