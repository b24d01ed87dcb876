package io.twinspan.dma;

/**
 * What became of a descriptor: the first byte of its completion record (DSA, completion status).
 *
 * <p>Codes below {@link #BAD_OPCODE} come from carrying a descriptor out, the others from reading
 * it.
 */
public final class DmaStatus {
  /** Not carried out yet. */
  public static final int NONE = 0;

  /** Carried out. */
  public static final int SUCCESS = 1;

  /**
   * An address could not be used; the record's fault address says which one. With {@link
   * #FAULT_ON_WRITE} it is the destination, without it the source.
   */
  public static final int PAGE_FAULT = 3;

  /** The operation is none that the engine has. */
  public static final int BAD_OPCODE = 0x10;

  /** A flag is set that the engine does not have, or one that it needs is missing. */
  public static final int INVALID_FLAGS = 0x11;

  /** A field that the operation does not use is not 0. */
  public static final int NONZERO_RESERVED = 0x12;

  /** The size is not allowed. */
  public static final int INVALID_SIZE = 0x13;

  /** Source and destination overlap, or the two destinations do. */
  public static final int OVERLAPPING = 0x16;

  /** The two destinations of a DUALCAST differ in the last 12 bits of their offsets. */
  public static final int DUALCAST_MISMATCH = 0x17;

  /** Bit of the status: the fault came from writing. */
  public static final int FAULT_ON_WRITE = 0x80;

  private DmaStatus() {}

  /** Whether a status says that the source could not be read. */
  public static boolean isReadFault(int status) {
    return status == PAGE_FAULT;
  }

  /** Whether a status says that the destination could not be written, or not any more. */
  public static boolean isWriteFault(int status) {
    return status == (PAGE_FAULT | FAULT_ON_WRITE);
  }
}
