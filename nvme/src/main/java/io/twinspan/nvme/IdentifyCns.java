package io.twinspan.nvme;

/** Values of CNS in Identify (NVM Express 1.4, section 5.15.1, figure 245). */
public final class IdentifyCns {
  /** Identify Namespace data structure. */
  public static final int NAMESPACE = 0x00;

  /** Identify Controller data structure. */
  public static final int CONTROLLER = 0x01;

  /** Active namespace identifiers. */
  public static final int ACTIVE_NAMESPACES = 0x02;

  /** Namespace identification descriptors. */
  public static final int NAMESPACE_DESCRIPTORS = 0x03;

  private IdentifyCns() {}

  /**
   * {@return the name in words, or the number in hexadecimal when it is not one of these}
   *
   * @param value one of the constants
   */
  public static String name(int value) {
    return switch (value) {
      case NAMESPACE -> "Identify Namespace data structure";
      case CONTROLLER -> "Identify Controller data structure";
      case ACTIVE_NAMESPACES -> "Active namespace identifiers";
      case NAMESPACE_DESCRIPTORS -> "Namespace identification descriptors";
      default -> "0x" + Integer.toHexString(value);
    };
  }
}
