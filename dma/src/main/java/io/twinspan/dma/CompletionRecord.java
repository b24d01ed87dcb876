package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A flyweight over one 32-byte completion record in the layout of DSA, little endian.
 *
 * <pre>
 *   0  status   1  result   2  reserved           4  bytes completed
 *   8  fault address
 *  16  CRC value (4 bytes), reserved
 * </pre>
 *
 * <p>The engine writes it and the poster reads it. The first 8 bytes are stored last, with release,
 * and loaded first, with acquire: who sees a status sees the rest, and what the descriptor did.
 */
public final class CompletionRecord {
  /** Size and alignment in bytes. */
  public static final int BYTES = 32;

  private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final long STATUS = 0;
  private static final long BYTES_COMPLETED = 4;
  private static final long FAULT_ADDRESS = 8;
  private static final long CRC = 16;
  private static final int STATUS_MASK = 0xff;

  private MemorySegment segment = MemorySegment.NULL;
  private long base;

  /** A flyweight over nothing; {@link #wrap} it before use. */
  public CompletionRecord() {}

  /**
   * Lays the flyweight over a record.
   *
   * @param segment memory of the records
   * @param offset where the record begins, a multiple of 32
   * @return this flyweight
   */
  public CompletionRecord wrap(MemorySegment segment, long offset) {
    this.segment = segment;
    base = offset;
    return this;
  }

  /** What became of the descriptor, one of {@link DmaStatus}; {@link DmaStatus#NONE} at first. */
  public int status() {
    return (int) SharedMemory.getLongAcquire(segment, base + STATUS) & STATUS_MASK;
  }

  /** How many bytes were transferred; meaningful when there is a status. */
  public int bytesCompleted() {
    return segment.get(INT, base + BYTES_COMPLETED);
  }

  /** Which address could not be used; meaningful after a fault. */
  public long faultAddress() {
    return segment.get(LONG, base + FAULT_ADDRESS);
  }

  /** The CRC-32C of what was copied; meaningful after a {@link Opcode#COPY_CRC}. */
  public int crc() {
    return segment.get(INT, base + CRC);
  }

  /** Makes the record ready for another descriptor. */
  void clear() {
    SharedMemory.setLongRelease(segment, base + STATUS, DmaStatus.NONE);
  }

  void complete(int status, int bytesCompleted, long faultAddress, int crc) {
    segment.set(LONG, base + FAULT_ADDRESS, faultAddress);
    segment.set(INT, base + CRC, crc);
    long first = (long) bytesCompleted << Integer.SIZE | status;
    SharedMemory.setLongRelease(segment, base + STATUS, first);
  }
}
