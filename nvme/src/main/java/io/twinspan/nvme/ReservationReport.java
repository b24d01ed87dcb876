package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;
import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;

/**
 * The Reservation Status data structure in its extended form, with 128-bit host identifiers (NVM
 * Express 1.4, section 6.13, figure 372).
 *
 * <p>A header of {@value #HEADER_BYTES} bytes, then {@value #REGISTRANT_BYTES} bytes for each
 * registered controller. The number of registrants is untrusted: {@link #registrantCount()} may
 * exceed what the buffer holds.
 *
 * <p>A flyweight over 64 + 64 * n bytes, of any alignment; plain accesses; not thread-safe.
 */
public final class ReservationReport {
  /** Size of the header. */
  public static final int HEADER_BYTES = 64;

  /** Size of a registrant. */
  public static final int REGISTRANT_BYTES = 64;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public ReservationReport() {}

  /**
   * Puts the flyweight on a structure.
   *
   * @param memory where the structure lies
   * @param structureOffset its offset in bytes
   * @return this
   */
  public ReservationReport wrap(MemorySegment memory, long structureOffset) {
    segment = memory;
    offset = structureOffset;
    return this;
  }

  /** {@return GEN, which counts changes of registrations and reservations} */
  public int generation() {
    return segment.get(ANY_INT, offset + 0);
  }

  /** Sets GEN, which counts changes of registrations and reservations. */
  public ReservationReport generation(int value) {
    segment.set(ANY_INT, offset + 0, value);
    return this;
  }

  /** {@return RTYPE, the reservation's type, 0 for none} */
  public int type() {
    return segment.get(BYTE, offset + 4) & 0xff;
  }

  /** Sets RTYPE, the reservation's type, 0 for none. */
  public ReservationReport type(int value) {
    segment.set(BYTE, offset + 4, (byte) value);
    return this;
  }

  /** {@return REGCTL, the number of registered controllers} */
  public int registrantCount() {
    return segment.get(ANY_SHORT, offset + 5) & 0xffff;
  }

  /** Sets REGCTL, the number of registered controllers. */
  public ReservationReport registrantCount(int value) {
    segment.set(ANY_SHORT, offset + 5, (short) value);
    return this;
  }

  /** {@return PTPLS} */
  public int persistThroughPowerLoss() {
    return segment.get(BYTE, offset + 9) & 0xff;
  }

  /** Sets PTPLS. */
  public ReservationReport persistThroughPowerLoss(int value) {
    segment.set(BYTE, offset + 9, (byte) value);
    return this;
  }

  /**
   * {@return CNTLID of a registrant}
   *
   * @param index of the registrant
   */
  public int controllerId(int index) {
    return segment.get(ANY_SHORT, registrant(index)) & 0xffff;
  }

  /**
   * {@return whether a registrant holds the reservation (RCSTS bit 0)}
   *
   * @param index of the registrant
   */
  public boolean isHolder(int index) {
    return (segment.get(BYTE, registrant(index) + 2) & 1) != 0;
  }

  /**
   * {@return RKEY, a registrant's key}
   *
   * @param index of the registrant
   */
  public long key(int index) {
    return segment.get(ANY_LONG, registrant(index) + 8);
  }

  /**
   * {@return the lower 64 bits of a registrant's host identifier}
   *
   * @param index of the registrant
   */
  public long hostIdLow(int index) {
    return segment.get(ANY_LONG, registrant(index) + 16);
  }

  /**
   * {@return the upper 64 bits of a registrant's host identifier}
   *
   * @param index of the registrant
   */
  public long hostIdHigh(int index) {
    return segment.get(ANY_LONG, registrant(index) + 24);
  }

  /**
   * Writes one registrant.
   *
   * @param index of the registrant
   * @param controllerId CNTLID
   * @param holder whether it holds the reservation
   * @param key RKEY
   * @param hostIdLow lower 64 bits of the host identifier
   * @param hostIdHigh upper 64 bits of the host identifier
   */
  public void registrant(
      int index, int controllerId, boolean holder, long key, long hostIdLow, long hostIdHigh) {
    long at = registrant(index);
    segment.set(ANY_LONG, at, 0L);
    segment.set(ANY_SHORT, at, (short) controllerId);
    segment.set(BYTE, at + 2, (byte) (holder ? 1 : 0));
    segment.set(ANY_LONG, at + 8, key);
    segment.set(ANY_LONG, at + 16, hostIdLow);
    segment.set(ANY_LONG, at + 24, hostIdHigh);
    for (int rest = 32; rest < REGISTRANT_BYTES; rest += 8) {
      segment.set(ANY_LONG, at + rest, 0L);
    }
  }

  private long registrant(int index) {
    return offset + HEADER_BYTES + (long) REGISTRANT_BYTES * index;
  }
}
