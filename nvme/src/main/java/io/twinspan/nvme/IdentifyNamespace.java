package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;
import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;

/**
 * The Identify Namespace data structure, the fields that this project uses (NVM Express 1.4,
 * section 5.15.2.1, figure 245).
 *
 * <p>A flyweight over 4096 bytes, of any alignment; plain accesses; not thread-safe.
 */
public final class IdentifyNamespace {
  /** Size of the structure. */
  public static final int BYTES = 4096;

  /** Offset of the first LBA format, four bytes each. */
  public static final int LBAF_OFFSET = 128;

  /** NSFEAT: thin provisioning. */
  public static final int NSFEAT_THIN = 1;

  /** NMIC: several controllers may be attached. */
  public static final int NMIC_SHARED = 1;

  /** RESCAP: persist through power loss. */
  public static final int RESCAP_PERSIST = 1;

  /** RESCAP: Write Exclusive. */
  public static final int RESCAP_WRITE_EXCLUSIVE = 1 << 1;

  /** RESCAP: Exclusive Access. */
  public static final int RESCAP_EXCLUSIVE_ACCESS = 1 << 2;

  /** RESCAP: Write Exclusive - Registrants Only. */
  public static final int RESCAP_WRITE_EXCLUSIVE_REGISTRANTS = 1 << 3;

  /** RESCAP: Exclusive Access - Registrants Only. */
  public static final int RESCAP_EXCLUSIVE_ACCESS_REGISTRANTS = 1 << 4;

  /** RESCAP: Write Exclusive - All Registrants. */
  public static final int RESCAP_WRITE_EXCLUSIVE_ALL = 1 << 5;

  /** RESCAP: Exclusive Access - All Registrants. */
  public static final int RESCAP_EXCLUSIVE_ACCESS_ALL = 1 << 6;

  /** RESCAP: IEKEY as NVM Express 1.3 defines it. */
  public static final int RESCAP_IEKEY_1_3 = 1 << 7;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public IdentifyNamespace() {}

  /**
   * Puts the flyweight on a structure.
   *
   * @param memory where the structure lies
   * @param structureOffset its offset in bytes
   * @return this
   */
  public IdentifyNamespace wrap(MemorySegment memory, long structureOffset) {
    segment = memory;
    offset = structureOffset;
    return this;
  }

  /** {@return NSZE, the namespace's size in logical blocks} */
  public long sizeBlocks() {
    return segment.get(ANY_LONG, offset + 0);
  }

  /** Sets NSZE, the namespace's size in logical blocks. */
  public IdentifyNamespace sizeBlocks(long value) {
    segment.set(ANY_LONG, offset + 0, value);
    return this;
  }

  /** {@return NCAP, capacity in logical blocks} */
  public long capacityBlocks() {
    return segment.get(ANY_LONG, offset + 8);
  }

  /** Sets NCAP, capacity in logical blocks. */
  public IdentifyNamespace capacityBlocks(long value) {
    segment.set(ANY_LONG, offset + 8, value);
    return this;
  }

  /** {@return NUSE, allocated logical blocks} */
  public long usedBlocks() {
    return segment.get(ANY_LONG, offset + 16);
  }

  /** Sets NUSE, allocated logical blocks. */
  public IdentifyNamespace usedBlocks(long value) {
    segment.set(ANY_LONG, offset + 16, value);
    return this;
  }

  /** {@return NSFEAT: {@link #NSFEAT_THIN} and others} */
  public int features() {
    return segment.get(BYTE, offset + 24) & 0xff;
  }

  /** Sets NSFEAT: {@link #NSFEAT_THIN} and others. */
  public IdentifyNamespace features(int value) {
    segment.set(BYTE, offset + 24, (byte) value);
    return this;
  }

  /** {@return NLBAF, LBA formats less one} */
  public int formatCount() {
    return segment.get(BYTE, offset + 25) & 0xff;
  }

  /** Sets NLBAF, LBA formats less one. */
  public IdentifyNamespace formatCount(int value) {
    segment.set(BYTE, offset + 25, (byte) value);
    return this;
  }

  /** {@return FLBAS: index of the LBA format in use (3:0)} */
  public int formattedSize() {
    return segment.get(BYTE, offset + 26) & 0xff;
  }

  /** Sets FLBAS: index of the LBA format in use (3:0). */
  public IdentifyNamespace formattedSize(int value) {
    segment.set(BYTE, offset + 26, (byte) value);
    return this;
  }

  /** {@return NMIC: {@link #NMIC_SHARED}} */
  public int multiPath() {
    return segment.get(BYTE, offset + 30) & 0xff;
  }

  /** Sets NMIC: {@link #NMIC_SHARED}. */
  public IdentifyNamespace multiPath(int value) {
    segment.set(BYTE, offset + 30, (byte) value);
    return this;
  }

  /** {@return RESCAP: {@link #RESCAP_EXCLUSIVE_ACCESS} and others} */
  public int reservationCapabilities() {
    return segment.get(BYTE, offset + 31) & 0xff;
  }

  /** Sets RESCAP: {@link #RESCAP_EXCLUSIVE_ACCESS} and others. */
  public IdentifyNamespace reservationCapabilities(int value) {
    segment.set(BYTE, offset + 31, (byte) value);
    return this;
  }

  /** {@return DLFEAT, what reads of deallocated blocks return} */
  public int deallocateFeatures() {
    return segment.get(BYTE, offset + 33) & 0xff;
  }

  /** Sets DLFEAT, what reads of deallocated blocks return. */
  public IdentifyNamespace deallocateFeatures(int value) {
    segment.set(BYTE, offset + 33, (byte) value);
    return this;
  }

  /** {@return NOIOB, the boundary that commands should not cross, in blocks; 0 for none} */
  public int optimalBoundaryBlocks() {
    return segment.get(ANY_SHORT, offset + 46) & 0xffff;
  }

  /** Sets NOIOB, the boundary that commands should not cross, in blocks. */
  public IdentifyNamespace optimalBoundaryBlocks(int value) {
    segment.set(ANY_SHORT, offset + 46, (short) value);
    return this;
  }

  /** {@return NVMCAP in bytes, lower 64 bits} */
  public long capacityBytes() {
    return segment.get(ANY_LONG, offset + 48);
  }

  /** Sets NVMCAP in bytes, lower 64 bits. */
  public IdentifyNamespace capacityBytes(long value) {
    segment.set(ANY_LONG, offset + 48, value);
    return this;
  }

  /** {@return NGUID, its first eight bytes} */
  public long nguidHigh() {
    return segment.get(ANY_LONG, offset + 104);
  }

  /** Sets NGUID, its first eight bytes. */
  public IdentifyNamespace nguidHigh(long value) {
    segment.set(ANY_LONG, offset + 104, value);
    return this;
  }

  /** {@return NGUID, its last eight bytes} */
  public long nguidLow() {
    return segment.get(ANY_LONG, offset + 112);
  }

  /** Sets NGUID, its last eight bytes. */
  public IdentifyNamespace nguidLow(long value) {
    segment.set(ANY_LONG, offset + 112, value);
    return this;
  }

  /** {@return EUI64} */
  public long eui64() {
    return segment.get(ANY_LONG, offset + 120);
  }

  /** Sets EUI64. */
  public IdentifyNamespace eui64(long value) {
    segment.set(ANY_LONG, offset + 120, value);
    return this;
  }

  /**
   * {@return the size in bytes of a logical block in the format in use, or 0 when the structure
   * makes no sense}
   */
  public int blockBytes() {
    int shift = segment.get(BYTE, offset + LBAF_OFFSET + 4L * (formattedSize() & 0xf) + 2) & 0xff;
    return shift < 9 || shift > 16 ? 0 : 1 << shift;
  }

  /**
   * Sets an LBA format without metadata.
   *
   * @param index 0 to 15
   * @param blockShift LBADS, log2 of the size of a block in bytes
   * @return this
   */
  public IdentifyNamespace format(int index, int blockShift) {
    segment.set(ANY_INT, offset + LBAF_OFFSET + 4L * index, blockShift << 16);
    return this;
  }
}
