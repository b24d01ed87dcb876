package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;
import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;

/**
 * The SMART / Health Information log page (NVM Express 1.4, section 5.14.1.2); of 128-bit counters
 * the lower 64 bits.
 *
 * <p>A flyweight over 512 bytes, of any alignment; plain accesses; not thread-safe.
 */
public final class SmartLog {
  /** Size of the page. */
  public static final int BYTES = 512;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public SmartLog() {}

  /**
   * Puts the flyweight on a structure.
   *
   * @param memory where the structure lies
   * @param structureOffset its offset in bytes
   * @return this
   */
  public SmartLog wrap(MemorySegment memory, long structureOffset) {
    segment = memory;
    offset = structureOffset;
    return this;
  }

  /** {@return the critical warning bits} */
  public int criticalWarning() {
    return segment.get(BYTE, offset + 0) & 0xff;
  }

  /** Sets the critical warning bits. */
  public SmartLog criticalWarning(int value) {
    segment.set(BYTE, offset + 0, (byte) value);
    return this;
  }

  /** {@return the composite temperature in kelvin} */
  public int temperature() {
    return segment.get(ANY_SHORT, offset + 1) & 0xffff;
  }

  /** Sets the composite temperature in kelvin. */
  public SmartLog temperature(int value) {
    segment.set(ANY_SHORT, offset + 1, (short) value);
    return this;
  }

  /** {@return the available spare in per cent} */
  public int availableSpare() {
    return segment.get(BYTE, offset + 3) & 0xff;
  }

  /** Sets the available spare in per cent. */
  public SmartLog availableSpare(int value) {
    segment.set(BYTE, offset + 3, (byte) value);
    return this;
  }

  /** {@return the available spare's threshold in per cent} */
  public int availableSpareThreshold() {
    return segment.get(BYTE, offset + 4) & 0xff;
  }

  /** Sets the available spare's threshold in per cent. */
  public SmartLog availableSpareThreshold(int value) {
    segment.set(BYTE, offset + 4, (byte) value);
    return this;
  }

  /** {@return the percentage of endurance used} */
  public int percentageUsed() {
    return segment.get(BYTE, offset + 5) & 0xff;
  }

  /** Sets the percentage of endurance used. */
  public SmartLog percentageUsed(int value) {
    segment.set(BYTE, offset + 5, (byte) value);
    return this;
  }

  /** {@return units of 1000 x 512 bytes read} */
  public long dataUnitsRead() {
    return segment.get(ANY_LONG, offset + 32);
  }

  /** Sets units of 1000 x 512 bytes read. */
  public SmartLog dataUnitsRead(long value) {
    segment.set(ANY_LONG, offset + 32, value);
    return this;
  }

  /** {@return units of 1000 x 512 bytes written} */
  public long dataUnitsWritten() {
    return segment.get(ANY_LONG, offset + 48);
  }

  /** Sets units of 1000 x 512 bytes written. */
  public SmartLog dataUnitsWritten(long value) {
    segment.set(ANY_LONG, offset + 48, value);
    return this;
  }

  /** {@return host read commands} */
  public long hostReads() {
    return segment.get(ANY_LONG, offset + 64);
  }

  /** Sets host read commands. */
  public SmartLog hostReads(long value) {
    segment.set(ANY_LONG, offset + 64, value);
    return this;
  }

  /** {@return host write commands} */
  public long hostWrites() {
    return segment.get(ANY_LONG, offset + 80);
  }

  /** Sets host write commands. */
  public SmartLog hostWrites(long value) {
    segment.set(ANY_LONG, offset + 80, value);
    return this;
  }

  /** {@return the time with commands outstanding, in minutes} */
  public long busyMinutes() {
    return segment.get(ANY_LONG, offset + 96);
  }

  /** Sets the time with commands outstanding, in minutes. */
  public SmartLog busyMinutes(long value) {
    segment.set(ANY_LONG, offset + 96, value);
    return this;
  }

  /** {@return power cycles} */
  public long powerCycles() {
    return segment.get(ANY_LONG, offset + 112);
  }

  /** Sets power cycles. */
  public SmartLog powerCycles(long value) {
    segment.set(ANY_LONG, offset + 112, value);
    return this;
  }

  /** {@return power-on hours} */
  public long powerOnHours() {
    return segment.get(ANY_LONG, offset + 128);
  }

  /** Sets power-on hours. */
  public SmartLog powerOnHours(long value) {
    segment.set(ANY_LONG, offset + 128, value);
    return this;
  }

  /** {@return unsafe shutdowns} */
  public long unsafeShutdowns() {
    return segment.get(ANY_LONG, offset + 144);
  }

  /** Sets unsafe shutdowns. */
  public SmartLog unsafeShutdowns(long value) {
    segment.set(ANY_LONG, offset + 144, value);
    return this;
  }

  /** {@return media and data integrity errors} */
  public long mediaErrors() {
    return segment.get(ANY_LONG, offset + 160);
  }

  /** Sets media and data integrity errors. */
  public SmartLog mediaErrors(long value) {
    segment.set(ANY_LONG, offset + 160, value);
    return this;
  }

  /** {@return error log entries over the controller's life} */
  public long errorLogEntries() {
    return segment.get(ANY_LONG, offset + 176);
  }

  /** Sets error log entries over the controller's life. */
  public SmartLog errorLogEntries(long value) {
    segment.set(ANY_LONG, offset + 176, value);
    return this;
  }
}
