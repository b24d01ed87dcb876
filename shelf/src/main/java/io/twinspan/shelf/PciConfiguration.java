package io.twinspan.shelf;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The PCI configuration space of an NVMe function: type 0 header and the MSI-X capability (PCI
 * Local Bus 3.0, sections 6.1 and 6.8.2).
 */
final class PciConfiguration {
  /** Size of the space. */
  static final int BYTES = 256;

  /** Size of BAR0: registers, then a doorbell page for each queue pair. */
  static final int BAR0_BYTES = 128 << 10;

  /** Size of BAR4: the MSI-X table, and from {@link #PENDING_OFFSET} the pending bits. */
  static final int BAR4_BYTES = 4096;

  /** Where in BAR4 the pending bits are. */
  static final int PENDING_OFFSET = 0x800;

  private static final int DEVICE_ID = 0x0001;
  private static final int CLASS_NVME = 0x010802;
  private static final int STATUS_CAPABILITIES = 0x10;
  private static final int MSIX_CAPABILITY = 0x40;
  private static final int BAR_64_BITS = 4;

  private final byte[] values = new byte[BYTES];

  /** Which bits a client may change. */
  private final byte[] writable = new byte[BYTES];

  PciConfiguration() {
    reset();
    ByteBuffer mask = ByteBuffer.wrap(writable).order(ByteOrder.LITTLE_ENDIAN);
    mask.putShort(0x04, (short) 0x0546); // memory, bus master, parity, SERR, INTx disable
    mask.putInt(0x10, -BAR0_BYTES);
    mask.putInt(0x14, -1);
    mask.putInt(0x20, -BAR4_BYTES);
    mask.put(0x3c, (byte) -1); // interrupt line: for the operating system's notes
    mask.putShort(MSIX_CAPABILITY + 2, (short) 0xc000); // enable, mask all
  }

  /** What the space holds after a reset. */
  void reset() {
    Arrays.fill(values, (byte) 0);
    ByteBuffer header = ByteBuffer.wrap(values).order(ByteOrder.LITTLE_ENDIAN);
    header.putShort(0x00, (short) IdentifyPages.VENDOR_ID);
    header.putShort(0x02, (short) DEVICE_ID);
    header.putShort(0x06, (short) STATUS_CAPABILITIES);
    header.putInt(0x08, (CLASS_NVME << 8) | 1);
    header.putInt(0x10, BAR_64_BITS);
    header.putShort(0x2c, (short) IdentifyPages.VENDOR_ID);
    header.putShort(0x2e, (short) DEVICE_ID);
    header.put(0x34, (byte) MSIX_CAPABILITY);
    header.put(MSIX_CAPABILITY, (byte) 0x11);
    header.putShort(MSIX_CAPABILITY + 2, (short) (NvmeController.VECTORS - 1));
    header.putInt(MSIX_CAPABILITY + 4, 4); // table: BAR4, offset 0
    header.putInt(MSIX_CAPABILITY + 8, PENDING_OFFSET | 4);
  }

  /** Reads; the range lies within the space. */
  void read(int offset, MemorySegment target, int lengthBytes) {
    MemorySegment.copy(values, offset, target, ValueLayout.JAVA_BYTE, 0, lengthBytes);
  }

  /** Writes what may be written; the range lies within the space. */
  void write(int offset, MemorySegment source, int lengthBytes) {
    for (int i = 0; i < lengthBytes; i++) {
      int at = offset + i;
      int mask = writable[at];
      int value = source.get(ValueLayout.JAVA_BYTE, i);
      values[at] = (byte) ((values[at] & ~mask) | (value & mask));
    }
  }
}
