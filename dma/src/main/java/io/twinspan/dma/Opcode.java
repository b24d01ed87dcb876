package io.twinspan.dma;

/** What a descriptor asks for (DSA, operations); the names say what has an engine here. */
public final class Opcode {
  /** Does nothing but complete. */
  public static final int NOOP = 0;

  /**
   * Completes when everything before it in the ring has; takes no {@link Descriptor#FLAG_FENCE}.
   */
  public static final int DRAIN = 2;

  /** Copies from source to destination. */
  public static final int MEMMOVE = 3;

  /** Repeats an 8-byte pattern at the destination. */
  public static final int FILL = 4;

  /** Copies to two destinations, whose offsets are equal in their last 12 bits. */
  public static final int DUALCAST = 9;

  /** Copies, and computes the CRC-32C of the bytes that were written. */
  public static final int COPY_CRC = 0x11;

  private Opcode() {}
}
