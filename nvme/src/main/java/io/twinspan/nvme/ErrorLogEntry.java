package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;
import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;

/**
 * One entry of the Error Information log page (NVM Express 1.4, section 5.14.1.1).
 *
 * <p>A flyweight over 64 bytes, of any alignment; plain accesses; not thread-safe.
 */
public final class ErrorLogEntry {
  /** Size of an entry. */
  public static final int BYTES = 64;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public ErrorLogEntry() {}

  /**
   * Puts the flyweight on a structure.
   *
   * @param memory where the structure lies
   * @param structureOffset its offset in bytes
   * @return this
   */
  public ErrorLogEntry wrap(MemorySegment memory, long structureOffset) {
    segment = memory;
    offset = structureOffset;
    return this;
  }

  /** {@return the number of this error, 0 for an unused entry} */
  public long errorCount() {
    return segment.get(ANY_LONG, offset + 0);
  }

  /** Sets the number of this error, 0 for an unused entry. */
  public ErrorLogEntry errorCount(long value) {
    segment.set(ANY_LONG, offset + 0, value);
    return this;
  }

  /** {@return the submission queue's identifier} */
  public int sqId() {
    return segment.get(ANY_SHORT, offset + 8) & 0xffff;
  }

  /** Sets the submission queue's identifier. */
  public ErrorLogEntry sqId(int value) {
    segment.set(ANY_SHORT, offset + 8, (short) value);
    return this;
  }

  /** {@return the command identifier} */
  public int cid() {
    return segment.get(ANY_SHORT, offset + 10) & 0xffff;
  }

  /** Sets the command identifier. */
  public ErrorLogEntry cid(int value) {
    segment.set(ANY_SHORT, offset + 10, (short) value);
    return this;
  }

  /** {@return the status field as in the completion, phase in bit 0} */
  public int statusField() {
    return segment.get(ANY_SHORT, offset + 12) & 0xffff;
  }

  /** Sets the status field as in the completion, phase in bit 0. */
  public ErrorLogEntry statusField(int value) {
    segment.set(ANY_SHORT, offset + 12, (short) value);
    return this;
  }

  /** {@return the location of the wrong parameter: byte (7:0) and bit (10:8), FFFFh for none} */
  public int parameterLocation() {
    return segment.get(ANY_SHORT, offset + 14) & 0xffff;
  }

  /** Sets the location of the wrong parameter: byte (7:0) and bit (10:8), FFFFh for none. */
  public ErrorLogEntry parameterLocation(int value) {
    segment.set(ANY_SHORT, offset + 14, (short) value);
    return this;
  }

  /** {@return the first logical block in error} */
  public long lba() {
    return segment.get(ANY_LONG, offset + 16);
  }

  /** Sets the first logical block in error. */
  public ErrorLogEntry lba(long value) {
    segment.set(ANY_LONG, offset + 16, value);
    return this;
  }

  /** {@return the namespace identifier} */
  public int nsid() {
    return segment.get(ANY_INT, offset + 24);
  }

  /** Sets the namespace identifier. */
  public ErrorLogEntry nsid(int value) {
    segment.set(ANY_INT, offset + 24, value);
    return this;
  }

  /** {@return the transport type} */
  public int transportType() {
    return segment.get(BYTE, offset + 29) & 0xff;
  }

  /** Sets the transport type. */
  public ErrorLogEntry transportType(int value) {
    segment.set(BYTE, offset + 29, (byte) value);
    return this;
  }

  /** {@return command specific information} */
  public long commandSpecific() {
    return segment.get(ANY_LONG, offset + 32);
  }

  /** Sets command specific information. */
  public ErrorLogEntry commandSpecific(long value) {
    segment.set(ANY_LONG, offset + 32, value);
    return this;
  }

  /** {@return the status, {@code SCT << 8 | SC}, see {@link Status}} */
  public int status() {
    return statusField() >>> 1 & 0x7ff;
  }
}
