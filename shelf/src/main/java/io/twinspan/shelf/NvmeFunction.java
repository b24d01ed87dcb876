package io.twinspan.shelf;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.EventSignals;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.VfioUser;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A controller as one client sees it: a PCI function with configuration space, BAR0 (registers and
 * doorbells), BAR4 (MSI-X), interrupts, and the eventfd that wakes the sleeping drive.
 *
 * <p>Made anew for every client, doorbell memory and eventfd too, so that a former client that
 * still maps the old ones reaches nobody. The drive's agent thread owns it.
 */
final class NvmeFunction implements WakeSource, AutoCloseable {
  /** BAR4 holds the MSI-X structures. */
  static final int REGION_BAR4 = 4;

  private static final int REGISTERS_BYTES = ControllerRegisters.DOORBELLS;
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt DOORBELL =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int MSIX_ENTRY_BYTES = 16;
  private static final int MSIX_CONTROL_OFFSET = 12;
  private static final int MSIX_MASKED = 1;

  private final NvmeController controller;
  private final PciConfiguration configuration = new PciConfiguration();
  private final byte[] msix = new byte[PciConfiguration.BAR4_BYTES];
  private final @Nullable EventFd[] vectors = new @Nullable EventFd[NvmeController.VECTORS];
  private final Fd bar0;
  private final Mapping doorbells;
  private final EventFd wake;

  /** The eventfds are the client's too, which may make them blocking. */
  private final EventSignals signals;

  /**
   * Gives the controller, which nobody uses, to a new client.
   *
   * @param signals the port's, which it closes
   */
  NvmeFunction(NvmeController controller, EventSignals signals) {
    this.controller = controller;
    this.signals = signals;
    bar0 = Memfd.create("twinspan-bar0", PciConfiguration.BAR0_BYTES);
    doorbells =
        Mapping.shared(
            bar0, REGISTERS_BYTES, NvmeController.doorbellBytes(), Mapping.Protection.READ_WRITE);
    wake = EventFd.create();
    maskVectors();
    controller.connect(doorbells.segment(), this::raise, false);
  }

  NvmeController controller() {
    return controller;
  }

  /** The memory of BAR0; only the doorbells, from {@link #mappableOffset}, are the client's. */
  Fd bar0() {
    return bar0;
  }

  /** Where in BAR0 the part begins that a client may map. */
  long mappableOffset() {
    return REGISTERS_BYTES;
  }

  /** The size of the part that a client may map, 0 if there is none. */
  long mappableBytes() {
    return sharesDoorbells() ? NvmeController.doorbellBytes() : 0;
  }

  /** Whether a client maps the doorbells, and so may lend some. */
  boolean sharesDoorbells() {
    return controller.doorbellKind() == DoorbellKind.PAGES;
  }

  /** Hands out the eventfd; from now on the client wakes the drive and arms its interrupts. */
  EventFd fetchWake() {
    controller.clientArmsInterrupts();
    return wake;
  }

  /** The size of a region, 0 if there is none with that index. */
  static long regionBytes(int region) {
    return switch (region) {
      case VfioUser.REGION_BAR0 -> PciConfiguration.BAR0_BYTES;
      case REGION_BAR4 -> PciConfiguration.BAR4_BYTES;
      case VfioUser.REGION_CONFIG -> PciConfiguration.BYTES;
      default -> 0;
    };
  }

  /** How many interrupts of a type there are. */
  static int irqCount(int type) {
    return switch (type) {
      case VfioUser.IRQ_INTX, VfioUser.IRQ_MSI -> 0;
      case VfioUser.IRQ_MSIX -> NvmeController.VECTORS;
      default -> 1;
    };
  }

  /**
   * Reads a region.
   *
   * @param region its index
   * @param offset where
   * @param target gets the bytes
   * @return 0 or a negative {@link Errno}
   */
  int read(int region, long offset, MemorySegment target) {
    int length = (int) target.byteSize();
    if (!within(region, offset, length)) {
      return -Errno.EINVAL;
    }
    int at = (int) offset;
    switch (region) {
      case VfioUser.REGION_CONFIG -> configuration.read(at, target, length);
      case REGION_BAR4 -> MemorySegment.copy(msix, at, target, ValueLayout.JAVA_BYTE, 0, length);
      default -> {
        if (at >= REGISTERS_BYTES) {
          return readDoorbells(at - REGISTERS_BYTES, target);
        }
        for (int i = 0; i < length; i++) {
          int word = controller.readRegister((at + i) & ~3);
          target.set(ValueLayout.JAVA_BYTE, i, (byte) (word >>> (8 * ((at + i) & 3))));
        }
      }
    }
    return 0;
  }

  /**
   * Writes a region.
   *
   * @param region its index
   * @param offset where
   * @param source the bytes
   * @return 0 or a negative {@link Errno}: registers and doorbells take 4 or 8 aligned bytes only
   */
  int write(int region, long offset, MemorySegment source) {
    int length = (int) source.byteSize();
    if (!within(region, offset, length)) {
      return -Errno.EINVAL;
    }
    int at = (int) offset;
    switch (region) {
      case VfioUser.REGION_CONFIG -> configuration.write(at, source, length);
      case REGION_BAR4 -> writeMsix(at, source, length);
      default -> {
        if ((length != 4 && length != 8) || (at & 3) != 0) {
          return -Errno.EINVAL;
        }
        for (int i = 0; i < length; i += 4) {
          writeWord(at + i, source.get(INT, i));
        }
      }
    }
    return 0;
  }

  /**
   * Connects interrupts of MSI-X to eventfds, or disconnects them.
   *
   * @param start the first one
   * @param count how many; the range exists
   * @param fds one for each, owned by this object from now on, or none to disconnect
   */
  void connectVectors(int start, int count, List<Fd> fds) {
    for (int i = 0; i < count; i++) {
      EventFd old = vectors[start + i];
      if (old != null) {
        old.close();
      }
      vectors[start + i] = fds.isEmpty() ? null : EventFd.adopt(fds.get(i));
    }
  }

  /** Raises an interrupt if it is connected. */
  void raise(int vector) {
    EventFd eventFd = vectors[vector];
    if (eventFd != null) {
      signals.signal(eventFd);
    }
  }

  /** Resets the function; DMA mappings and interrupts stay connected, as VFIO has it. */
  void reset() {
    controller.reset();
    configuration.reset();
    maskVectors();
  }

  @Override
  public void arm() {
    if (controller.clientWakes()) {
      controller.sleeping(true);
    }
  }

  @Override
  public void disarm() {
    if (controller.clientWakes()) {
      controller.sleeping(false);
      var _ = wake.drainShared();
    }
  }

  @Override
  public Fd fd() {
    return wake.fd();
  }

  /** Takes the controller away from the client and frees what was shared with it. */
  @Override
  public void close() {
    controller.disconnect();
    connectVectors(0, vectors.length, List.of());
    wake.close();
    doorbells.close();
    bar0.close();
  }

  private static boolean within(int region, long offset, int lengthBytes) {
    long size = regionBytes(region);
    return offset >= 0 && lengthBytes > 0 && offset <= size - lengthBytes;
  }

  private int readDoorbells(int offset, MemorySegment target) {
    long rest = doorbells.lengthBytes() - offset;
    if (rest < target.byteSize()) {
      target.fill((byte) 0);
      return 0;
    }
    MemorySegment.copy(doorbells.segment(), offset, target, 0, target.byteSize());
    return 0;
  }

  private void writeWord(int offset, int value) {
    if (offset < REGISTERS_BYTES) {
      controller.writeRegister(offset, value);
    } else if (offset - REGISTERS_BYTES < doorbells.lengthBytes()) {
      doorbells.segment().set(DOORBELL, offset - REGISTERS_BYTES, value);
    }
  }

  private void writeMsix(int offset, MemorySegment source, int lengthBytes) {
    int table = NvmeController.VECTORS * MSIX_ENTRY_BYTES;
    for (int i = 0; i < lengthBytes && offset + i < table; i++) {
      msix[offset + i] = source.get(ValueLayout.JAVA_BYTE, i);
    }
  }

  private void maskVectors() {
    Arrays.fill(msix, (byte) 0);
    for (int vector = 0; vector < NvmeController.VECTORS; vector++) {
      msix[vector * MSIX_ENTRY_BYTES + MSIX_CONTROL_OFFSET] = MSIX_MASKED;
    }
  }
}
