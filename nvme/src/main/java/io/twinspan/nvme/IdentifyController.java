package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;
import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The Identify Controller data structure, the fields that this project uses (NVM Express 1.4,
 * section 5.15.2.2, figure 247).
 *
 * <p>A flyweight over 4096 bytes, of any alignment; plain accesses; not thread-safe.
 */
public final class IdentifyController {
  /** Size of the structure. */
  public static final int BYTES = 4096;

  /** Offset of SUBNQN. */
  public static final int SUBNQN_OFFSET = 768;

  /** CMIC: the subsystem has several ports. */
  public static final int CMIC_PORTS = 1;

  /** CMIC: the subsystem has several controllers. */
  public static final int CMIC_CONTROLLERS = 1 << 1;

  /** CTRATT: host identifiers of 128 bits. */
  public static final int CTRATT_HOST_ID_128 = 1;

  /** ONCS: Compare. */
  public static final int ONCS_COMPARE = 1;

  /** ONCS: Write Uncorrectable. */
  public static final int ONCS_WRITE_UNCORRECTABLE = 1 << 1;

  /** ONCS: Dataset Management. */
  public static final int ONCS_DATASET_MANAGEMENT = 1 << 2;

  /** ONCS: Write Zeroes. */
  public static final int ONCS_WRITE_ZEROES = 1 << 3;

  /** ONCS: Save and Select of features. */
  public static final int ONCS_SAVE_SELECT = 1 << 4;

  /** ONCS: reservations. */
  public static final int ONCS_RESERVATIONS = 1 << 5;

  /** ONCS: timestamp. */
  public static final int ONCS_TIMESTAMP = 1 << 6;

  /** VWC: there is a volatile write cache. */
  public static final int VWC_PRESENT = 1;

  /** VWC: Flush takes NSID FFFFFFFFh and flushes every namespace. */
  public static final int VWC_FLUSH_ALL = 3 << 1;

  /** OACS: Doorbell Buffer Config. */
  public static final int OACS_DOORBELL_BUFFER = 1 << 8;

  /** ONCS: Verify. */
  public static final int ONCS_VERIFY = 1 << 7;

  /** SGLS: the list may be longer than the data. */
  public static final int SGLS_LONGER_THAN_DATA = 1 << 18;

  /**
   * SGLS bits 1:0: whether SGLs are supported, with any alignment (01b) or that of dwords (10b).
   */
  public static final int SGLS_MASK = 3;

  /** SGLS 01b: SGLs with any alignment and granularity. */
  public static final int SGLS_ANY_ALIGNMENT = 1;

  /** SGLS 10b: SGLs of whole dwords. */
  public static final int SGLS_DWORDS = 2;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public IdentifyController() {}

  /**
   * Puts the flyweight on a structure.
   *
   * @param memory where the structure lies
   * @param structureOffset its offset in bytes
   * @return this
   */
  public IdentifyController wrap(MemorySegment memory, long structureOffset) {
    segment = memory;
    offset = structureOffset;
    return this;
  }

  /** {@return VID, the PCI vendor identifier} */
  public int vendorId() {
    return segment.get(ANY_SHORT, offset + 0) & 0xffff;
  }

  /** Sets VID, the PCI vendor identifier. */
  public IdentifyController vendorId(int value) {
    segment.set(ANY_SHORT, offset + 0, (short) value);
    return this;
  }

  /** {@return SSVID, the PCI subsystem vendor identifier} */
  public int subsystemVendorId() {
    return segment.get(ANY_SHORT, offset + 2) & 0xffff;
  }

  /** Sets SSVID, the PCI subsystem vendor identifier. */
  public IdentifyController subsystemVendorId(int value) {
    segment.set(ANY_SHORT, offset + 2, (short) value);
    return this;
  }

  /** {@return SN, the serial number, ASCII, without the padding} */
  public String serialNumber() {
    return ascii(4, 20);
  }

  /** Sets SN, the serial number; it is cut or padded to 20 bytes. */
  public IdentifyController serialNumber(String value) {
    return ascii(4, 20, value);
  }

  /** {@return MN, the model number, ASCII, without the padding} */
  public String modelNumber() {
    return ascii(24, 40);
  }

  /** Sets MN, the model number; it is cut or padded to 40 bytes. */
  public IdentifyController modelNumber(String value) {
    return ascii(24, 40, value);
  }

  /** {@return FR, the firmware revision, ASCII, without the padding} */
  public String firmwareRevision() {
    return ascii(64, 8);
  }

  /** Sets FR, the firmware revision; it is cut or padded to 8 bytes. */
  public IdentifyController firmwareRevision(String value) {
    return ascii(64, 8, value);
  }

  /** {@return RAB, the recommended arbitration burst} */
  public int recommendedArbitrationBurst() {
    return segment.get(BYTE, offset + 72) & 0xff;
  }

  /** Sets RAB, the recommended arbitration burst. */
  public IdentifyController recommendedArbitrationBurst(int value) {
    segment.set(BYTE, offset + 72, (byte) value);
    return this;
  }

  /** {@return CMIC: {@link #CMIC_PORTS}, {@link #CMIC_CONTROLLERS}} */
  public int multiPath() {
    return segment.get(BYTE, offset + 76) & 0xff;
  }

  /** Sets CMIC: {@link #CMIC_PORTS}, {@link #CMIC_CONTROLLERS}. */
  public IdentifyController multiPath(int value) {
    segment.set(BYTE, offset + 76, (byte) value);
    return this;
  }

  /**
   * {@return MDTS, largest transfer as a power of two in units of CAP.MPSMIN pages; 0 is no limit}
   */
  public int maxDataTransferSize() {
    return segment.get(BYTE, offset + 77) & 0xff;
  }

  /** Sets MDTS, largest transfer as a power of two in units of CAP.MPSMIN pages; 0 is no limit. */
  public IdentifyController maxDataTransferSize(int value) {
    segment.set(BYTE, offset + 77, (byte) value);
    return this;
  }

  /** {@return CNTLID, the controller identifier in the subsystem} */
  public int controllerId() {
    return segment.get(ANY_SHORT, offset + 78) & 0xffff;
  }

  /** Sets CNTLID, the controller identifier in the subsystem. */
  public IdentifyController controllerId(int value) {
    segment.set(ANY_SHORT, offset + 78, (short) value);
    return this;
  }

  /** {@return VER, as the register VS} */
  public int version() {
    return segment.get(ANY_INT, offset + 80);
  }

  /** Sets VER, as the register VS. */
  public IdentifyController version(int value) {
    segment.set(ANY_INT, offset + 80, value);
    return this;
  }

  /** {@return OAES, optional asynchronous events} */
  public int asyncEvents() {
    return segment.get(ANY_INT, offset + 92);
  }

  /** Sets OAES, optional asynchronous events. */
  public IdentifyController asyncEvents(int value) {
    segment.set(ANY_INT, offset + 92, value);
    return this;
  }

  /** {@return CTRATT: {@link #CTRATT_HOST_ID_128}} */
  public int controllerAttributes() {
    return segment.get(ANY_INT, offset + 96);
  }

  /** Sets CTRATT: {@link #CTRATT_HOST_ID_128}. */
  public IdentifyController controllerAttributes(int value) {
    segment.set(ANY_INT, offset + 96, value);
    return this;
  }

  /** {@return OACS, optional administrative commands} */
  public int adminCommands() {
    return segment.get(ANY_SHORT, offset + 256) & 0xffff;
  }

  /** Sets OACS, optional administrative commands. */
  public IdentifyController adminCommands(int value) {
    segment.set(ANY_SHORT, offset + 256, (short) value);
    return this;
  }

  /** {@return ACL, concurrent aborts less one} */
  public int abortCommandLimit() {
    return segment.get(BYTE, offset + 258) & 0xff;
  }

  /** Sets ACL, concurrent aborts less one. */
  public IdentifyController abortCommandLimit(int value) {
    segment.set(BYTE, offset + 258, (byte) value);
    return this;
  }

  /** {@return AERL, concurrent asynchronous event requests less one} */
  public int asyncEventLimit() {
    return segment.get(BYTE, offset + 259) & 0xff;
  }

  /** Sets AERL, concurrent asynchronous event requests less one. */
  public IdentifyController asyncEventLimit(int value) {
    segment.set(BYTE, offset + 259, (byte) value);
    return this;
  }

  /** {@return FRMW, firmware updates} */
  public int firmwareUpdates() {
    return segment.get(BYTE, offset + 260) & 0xff;
  }

  /** Sets FRMW, firmware updates. */
  public IdentifyController firmwareUpdates(int value) {
    segment.set(BYTE, offset + 260, (byte) value);
    return this;
  }

  /** {@return LPA, log page attributes} */
  public int logPageAttributes() {
    return segment.get(BYTE, offset + 261) & 0xff;
  }

  /** Sets LPA, log page attributes. */
  public IdentifyController logPageAttributes(int value) {
    segment.set(BYTE, offset + 261, (byte) value);
    return this;
  }

  /** {@return ELPE, error log entries less one} */
  public int errorLogEntries() {
    return segment.get(BYTE, offset + 262) & 0xff;
  }

  /** Sets ELPE, error log entries less one. */
  public IdentifyController errorLogEntries(int value) {
    segment.set(BYTE, offset + 262, (byte) value);
    return this;
  }

  /** {@return NPSS, power states less one} */
  public int powerStates() {
    return segment.get(BYTE, offset + 263) & 0xff;
  }

  /** Sets NPSS, power states less one. */
  public IdentifyController powerStates(int value) {
    segment.set(BYTE, offset + 263, (byte) value);
    return this;
  }

  /** {@return WCTEMP, in kelvin} */
  public int warningTemperature() {
    return segment.get(ANY_SHORT, offset + 266) & 0xffff;
  }

  /** Sets WCTEMP, in kelvin. */
  public IdentifyController warningTemperature(int value) {
    segment.set(ANY_SHORT, offset + 266, (short) value);
    return this;
  }

  /** {@return CCTEMP, in kelvin} */
  public int criticalTemperature() {
    return segment.get(ANY_SHORT, offset + 268) & 0xffff;
  }

  /** Sets CCTEMP, in kelvin. */
  public IdentifyController criticalTemperature(int value) {
    segment.set(ANY_SHORT, offset + 268, (short) value);
    return this;
  }

  /** {@return TNVMCAP, total capacity in bytes, lower 64 bits} */
  public long totalCapacity() {
    return segment.get(ANY_LONG, offset + 280);
  }

  /** Sets TNVMCAP, total capacity in bytes, lower 64 bits. */
  public IdentifyController totalCapacity(long value) {
    segment.set(ANY_LONG, offset + 280, value);
    return this;
  }

  /** {@return UNVMCAP, unallocated capacity in bytes, lower 64 bits} */
  public long unallocatedCapacity() {
    return segment.get(ANY_LONG, offset + 296);
  }

  /** Sets UNVMCAP, unallocated capacity in bytes, lower 64 bits. */
  public IdentifyController unallocatedCapacity(long value) {
    segment.set(ANY_LONG, offset + 296, value);
    return this;
  }

  /** {@return SQES: required (3:0) and largest (7:4) submission entry size, powers of two} */
  public int sqEntrySize() {
    return segment.get(BYTE, offset + 512) & 0xff;
  }

  /** Sets SQES: required (3:0) and largest (7:4) submission entry size, powers of two. */
  public IdentifyController sqEntrySize(int value) {
    segment.set(BYTE, offset + 512, (byte) value);
    return this;
  }

  /** {@return CQES: required (3:0) and largest (7:4) completion entry size, powers of two} */
  public int cqEntrySize() {
    return segment.get(BYTE, offset + 513) & 0xff;
  }

  /** Sets CQES: required (3:0) and largest (7:4) completion entry size, powers of two. */
  public IdentifyController cqEntrySize(int value) {
    segment.set(BYTE, offset + 513, (byte) value);
    return this;
  }

  /** {@return MAXCMD, outstanding commands per queue; 0 is not told} */
  public int maxCommands() {
    return segment.get(ANY_SHORT, offset + 514) & 0xffff;
  }

  /** Sets MAXCMD, outstanding commands per queue; 0 is not told. */
  public IdentifyController maxCommands(int value) {
    segment.set(ANY_SHORT, offset + 514, (short) value);
    return this;
  }

  /** {@return NN, the largest namespace identifier} */
  public int namespaceCount() {
    return segment.get(ANY_INT, offset + 516);
  }

  /** Sets NN, the largest namespace identifier. */
  public IdentifyController namespaceCount(int value) {
    segment.set(ANY_INT, offset + 516, value);
    return this;
  }

  /** {@return ONCS: {@link #ONCS_WRITE_ZEROES}, {@link #ONCS_RESERVATIONS} and others} */
  public int nvmCommands() {
    return segment.get(ANY_SHORT, offset + 520) & 0xffff;
  }

  /** Sets ONCS: {@link #ONCS_WRITE_ZEROES}, {@link #ONCS_RESERVATIONS} and others. */
  public IdentifyController nvmCommands(int value) {
    segment.set(ANY_SHORT, offset + 520, (short) value);
    return this;
  }

  /** {@return FUSES, fused operations} */
  public int fusedOperations() {
    return segment.get(ANY_SHORT, offset + 522) & 0xffff;
  }

  /** Sets FUSES, fused operations. */
  public IdentifyController fusedOperations(int value) {
    segment.set(ANY_SHORT, offset + 522, (short) value);
    return this;
  }

  /** {@return FNA, format attributes} */
  public int formatAttributes() {
    return segment.get(BYTE, offset + 524) & 0xff;
  }

  /** Sets FNA, format attributes. */
  public IdentifyController formatAttributes(int value) {
    segment.set(BYTE, offset + 524, (byte) value);
    return this;
  }

  /** {@return VWC: {@link #VWC_PRESENT}, {@link #VWC_FLUSH_ALL}} */
  public int volatileWriteCache() {
    return segment.get(BYTE, offset + 525) & 0xff;
  }

  /** Sets VWC: {@link #VWC_PRESENT}, {@link #VWC_FLUSH_ALL}. */
  public IdentifyController volatileWriteCache(int value) {
    segment.set(BYTE, offset + 525, (byte) value);
    return this;
  }

  /** {@return AWUN in blocks less one} */
  public int atomicWriteUnitNormal() {
    return segment.get(ANY_SHORT, offset + 526) & 0xffff;
  }

  /** Sets AWUN in blocks less one. */
  public IdentifyController atomicWriteUnitNormal(int value) {
    segment.set(ANY_SHORT, offset + 526, (short) value);
    return this;
  }

  /** {@return AWUPF in blocks less one} */
  public int atomicWriteUnitPowerFail() {
    return segment.get(ANY_SHORT, offset + 528) & 0xffff;
  }

  /** Sets AWUPF in blocks less one. */
  public IdentifyController atomicWriteUnitPowerFail(int value) {
    segment.set(ANY_SHORT, offset + 528, (short) value);
    return this;
  }

  /** {@return SGLS, SGL support} */
  public int sglSupport() {
    return segment.get(ANY_INT, offset + 536);
  }

  /** Sets SGLS, SGL support. */
  public IdentifyController sglSupport(int value) {
    segment.set(ANY_INT, offset + 536, value);
    return this;
  }

  /** {@return SUBNQN, the NVM subsystem's qualified name, ASCII, without the padding} */
  public String subsystemNqn() {
    return ascii(768, 256);
  }

  /** Sets SUBNQN, the NVM subsystem's qualified name; it is cut or padded to 256 bytes. */
  public IdentifyController subsystemNqn(String value) {
    return ascii(768, 256, value);
  }

  private String ascii(int at, int length) {
    byte[] bytes = segment.asSlice(offset + at, length).toArray(ValueLayout.JAVA_BYTE);
    int end = 0;
    while (end < length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, 0, end, StandardCharsets.US_ASCII).strip();
  }

  private IdentifyController ascii(int at, int length, String value) {
    byte[] bytes = new byte[length];
    // Text fields are padded with spaces, the NQN with zeroes (sections 1.5 and 7.9).
    Arrays.fill(bytes, at < SUBNQN_OFFSET ? (byte) ' ' : 0);
    byte[] text = value.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(text, 0, bytes, 0, Math.min(length, text.length));
    MemorySegment.copy(bytes, 0, segment, BYTE, offset + at, length);
    return this;
  }
}
