package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A flyweight over one 64-byte descriptor in the layout of DSA, little endian.
 *
 * <pre>
 *   0  pasid:20, reserved:11, privileged:1        4  flags:24, opcode:8
 *   8  completion record address
 *  16  source address, or pattern (FILL)
 *  24  destination address
 *  32  transfer size                             36  interrupt handle, reserved
 *  40  second destination (DUALCAST), or CRC seed (4 bytes)
 *  48  reserved
 * </pre>
 *
 * <p>Not thread-safe: every user wraps a flyweight of its own. Reserved fields are written as 0.
 */
public final class Descriptor {
  /** Size and alignment in bytes. */
  public static final int BYTES = 64;

  /**
   * Flag: begin when all earlier descriptors of the ring have completed. DSA has it within a batch;
   * here a ring is one.
   */
  public static final int FLAG_FENCE = 1;

  /** Flag: the completion record address is valid. */
  public static final int FLAG_COMPLETION_ADDRESS_VALID = 4;

  /** Flag: write a completion record, also after success. */
  public static final int FLAG_REQUEST_COMPLETION = 8;

  /** The flags that the engines here understand. */
  static final int KNOWN_FLAGS =
      FLAG_FENCE | FLAG_COMPLETION_ADDRESS_VALID | FLAG_REQUEST_COMPLETION;

  private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final long PASID = 0;
  private static final long FLAGS_OPCODE = 4;
  private static final long COMPLETION_ADDRESS = 8;
  private static final long SOURCE = 16;
  private static final long DESTINATION = 24;
  private static final long TRANSFER_SIZE = 32;
  private static final long INTERRUPT_HANDLE = 36;
  private static final long SPECIFIC = 40;
  private static final int OPCODE_SHIFT = 24;
  private static final int FLAGS_MASK = (1 << OPCODE_SHIFT) - 1;

  private MemorySegment segment = MemorySegment.NULL;
  private long base;

  /** A flyweight over nothing; {@link #wrap} it before use. */
  public Descriptor() {}

  /**
   * Lays the flyweight over a slot.
   *
   * @param segment memory of the ring
   * @param offset where the slot begins, a multiple of 64
   * @return this flyweight
   */
  public Descriptor wrap(MemorySegment segment, long offset) {
    this.segment = segment;
    base = offset;
    return this;
  }

  /**
   * Writes a whole descriptor; every field that is not a parameter becomes 0.
   *
   * @param opcode one of {@link Opcode}
   * @param flags flags of this class, or'ed
   * @param completionAddress where the completion record goes
   * @param source {@link DmaAddress}, or the pattern of a FILL
   * @param destination {@link DmaAddress}
   * @param sizeBytes transfer size
   */
  public void set(
      int opcode, int flags, long completionAddress, long source, long destination, int sizeBytes) {
    segment.set(INT, base + PASID, 0);
    segment.set(INT, base + FLAGS_OPCODE, (opcode << OPCODE_SHIFT) | (flags & FLAGS_MASK));
    segment.set(LONG, base + COMPLETION_ADDRESS, completionAddress);
    segment.set(LONG, base + SOURCE, source);
    segment.set(LONG, base + DESTINATION, destination);
    segment.set(INT, base + TRANSFER_SIZE, sizeBytes);
    segment.set(INT, base + INTERRUPT_HANDLE, 0);
    for (long offset = SPECIFIC; offset < BYTES; offset += Long.BYTES) {
      segment.set(LONG, base + offset, 0);
    }
  }

  /**
   * Writes a whole DUALCAST.
   *
   * @param flags flags of this class, or'ed
   * @param completionAddress where the completion record goes
   * @param source {@link DmaAddress}
   * @param first {@link DmaAddress}
   * @param second {@link DmaAddress}, equal to the first in its last 12 bits
   * @param sizeBytes transfer size
   */
  public void setDualcast(
      int flags, long completionAddress, long source, long first, long second, int sizeBytes) {
    set(Opcode.DUALCAST, flags, completionAddress, source, first, sizeBytes);
    segment.set(LONG, base + SPECIFIC, second);
  }

  /**
   * Makes a NOOP of it, which completes as it would have; for who takes a request back that the
   * engine does not hold at this moment.
   */
  public void cancel() {
    set(Opcode.NOOP, flags() & KNOWN_FLAGS, completionAddress(), 0, 0, 0);
  }

  /** What to do, one of {@link Opcode} if the descriptor is sound. */
  public int opcode() {
    return segment.get(INT, base + FLAGS_OPCODE) >>> OPCODE_SHIFT;
  }

  /** The 24 flag bits. */
  public int flags() {
    return segment.get(INT, base + FLAGS_OPCODE) & FLAGS_MASK;
  }

  /** Where the completion record goes. */
  public long completionAddress() {
    return segment.get(LONG, base + COMPLETION_ADDRESS);
  }

  /** The source address, or the pattern of a FILL. */
  public long source() {
    return segment.get(LONG, base + SOURCE);
  }

  /** The destination address. */
  public long destination() {
    return segment.get(LONG, base + DESTINATION);
  }

  /** How many bytes; unsigned in the specification, so a negative value is over 2 GiB. */
  public int sizeBytes() {
    return segment.get(INT, base + TRANSFER_SIZE);
  }

  /** The CRC to start from. */
  public int crcSeed() {
    return segment.get(INT, base + SPECIFIC);
  }

  /** The second destination of a DUALCAST. */
  public long secondDestination() {
    return segment.get(LONG, base + SPECIFIC);
  }

  /** Whether the bytes that no operation of this opcode uses are 0, as they must be. */
  boolean reservedIsZero() {
    long specific =
        switch (opcode()) {
          case Opcode.DUALCAST -> 0;
          case Opcode.COPY_CRC -> segment.get(INT, base + SPECIFIC + Integer.BYTES);
          default -> segment.get(LONG, base + SPECIFIC);
        };
    return specific == 0
        && segment.get(LONG, base + SPECIFIC + Long.BYTES) == 0
        && segment.get(LONG, base + SPECIFIC + 2 * Long.BYTES) == 0;
  }
}
