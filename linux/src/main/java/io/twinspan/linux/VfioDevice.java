package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/**
 * A PCI function that the kernel's vfio-pci driver lends to this process, behind an IOMMU ({@code
 * linux/vfio.h}, type 1). No other process can have it, or another function of its IOMMU group, at
 * the same time; whoever gets its descriptor gets all of it. Not thread-safe.
 */
public final class VfioDevice implements AutoCloseable {
  /** The interrupts of MSI-X. */
  public static final int MSIX = 2;

  /** Asks for the function back, as when it is to be removed. */
  public static final int REQUEST = 4;

  // _IO(';', 100 + n)
  private static final int GET_INFO = 0x3B6B;
  private static final int GET_REGION_INFO = 0x3B6C;
  private static final int GET_IRQ_INFO = 0x3B6D;
  private static final int SET_IRQS = 0x3B6E;
  private static final int RESET = 0x3B6F;

  private static final int CONFIG_REGION = 7;
  private static final int IRQ_DATA_EVENTFD = 4;
  private static final int IRQ_ACTION_TRIGGER = 32;
  private static final int INFO_BYTES = 24;
  private static final int INFO_FLAG_RESET = 1;
  private static final int INFO_IRQ_COUNT = 12;
  private static final int REGION_INFO_BYTES = 32;
  private static final int IRQ_INFO_BYTES = 16;
  private static final int IRQ_SET_BYTES = 20;
  private static final int NO_EVENTFD = -1;

  private static final long COMMAND = 4;
  private static final int COMMAND_MEMORY = 2;
  private static final int COMMAND_BUS_MASTER = 4;

  /**
   * DMA addresses at which a function may be shown memory.
   *
   * @param first the first one
   * @param last the last one, inclusive
   */
  public record IovaRange(long first, long last) {}

  private final Path path;
  private final VfioContainer container;
  private final Fd device;

  /**
   * Takes a function.
   *
   * @param path of the function in sysfs, such as {@code /sys/bus/pci/devices/0000:00:04.0}
   * @throws TwinspanException if there is no IOMMU, the function is not bound to vfio-pci, another
   *     process has it, or this user may not open it; the message says what to do
   */
  public VfioDevice(Path path) {
    this.path = path;
    container = new VfioContainer(path);
    try {
      device = container.openFunction();
    } catch (RuntimeException e) {
      container.close();
      throw e;
    }
  }

  /** Whether a function in sysfs is bound to vfio-pci. */
  public static boolean isAt(Path path) {
    return VfioContainer.isBound(path);
  }

  /**
   * Maps a base address register; the mapping outlives this object.
   *
   * @param bar its number, 0 to 5
   */
  public Mapping map(int bar) {
    return map(bar, 0, barBytes(bar));
  }

  /**
   * Maps a part of a base address register; the mapping outlives this object.
   *
   * @param bar its number, 0 to 5
   * @param offset of the part in bytes, a multiple of 4096
   * @param lengthBytes its size
   * @throws TwinspanException if it is not within the register
   * @throws ErrnoException if the kernel does not let that part be mapped
   */
  public Mapping map(int bar, long offset, long lengthBytes) {
    Region region = region(bar);
    if (offset < 0 || lengthBytes <= 0 || offset > region.lengthBytes - lengthBytes) {
      throw new TwinspanException(
          "map %d bytes at %d of BAR %d of %s, which has %d"
              .formatted(lengthBytes, offset, bar, path, region.lengthBytes));
    }
    return Mapping.device(
        device, region.offset + offset, lengthBytes, Mapping.Protection.READ_WRITE);
  }

  /**
   * The size of a base address register in bytes.
   *
   * @param bar its number, 0 to 5
   */
  public long barBytes(int bar) {
    return region(bar).lengthBytes;
  }

  /** Lets the function write to memory, without which it can't interrupt either. */
  public void enableBusMaster() {
    command(COMMAND_MEMORY | COMMAND_BUS_MASTER, 0);
  }

  /** Keeps the function from touching memory. */
  public void disableBusMaster() {
    command(0, COMMAND_BUS_MASTER);
  }

  /** Whether {@link #reset} can reset it. */
  public boolean canReset() {
    return (info().get(JAVA_INT, 4) & INFO_FLAG_RESET) != 0;
  }

  /** Resets the function; what was mapped for it stays so, and its configuration space too. */
  public void reset() {
    ErrnoException.check(Native.ioctl(device.number(), RESET, 0), "reset " + path);
  }

  /**
   * How many interrupts of one kind there are.
   *
   * @param kind {@link #MSIX} or {@link #REQUEST}
   */
  public int interruptCount(int kind) {
    if (kind >= info().get(JAVA_INT, INFO_IRQ_COUNT)) {
      return 0;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(IRQ_INFO_BYTES, Integer.BYTES);
      info.set(JAVA_INT, 0, IRQ_INFO_BYTES);
      info.set(JAVA_INT, 8, kind);
      int result = Native.ioctl(device.number(), GET_IRQ_INFO, info.address());
      return result < 0 ? 0 : info.get(JAVA_INT, 12);
    }
  }

  /**
   * Has the function's first MSI-X vector signal an eventfd.
   *
   * @param eventFd must stay open as long as this object
   */
  public void interrupt(EventFd eventFd) {
    var _ = interrupts(MSIX, List.of(eventFd), 1);
  }

  /**
   * Has interrupts from the first on signal eventfds, in place of what was said before.
   *
   * @param kind {@link #MSIX} or {@link #REQUEST}
   * @param eventFds for the first ones; they must stay open as long as this object
   * @param count how many are to be reserved, at least as many as there are eventfds: the kernel
   *     adds none later
   * @return 0, or how many it can reserve if those are fewer; then nothing was done
   */
  public int interrupts(int kind, List<EventFd> eventFds, int count) {
    try (Arena arena = Arena.ofConfined()) {
      long bytes = IRQ_SET_BYTES + (long) count * Integer.BYTES;
      MemorySegment set = arena.allocate(bytes, Integer.BYTES);
      set.set(JAVA_INT, 0, (int) bytes);
      set.set(JAVA_INT, 4, IRQ_DATA_EVENTFD | IRQ_ACTION_TRIGGER);
      set.set(JAVA_INT, 8, kind);
      set.set(JAVA_INT, 12, 0); // first
      set.set(JAVA_INT, 16, count);
      for (int i = 0; i < count; i++) {
        int number = i < eventFds.size() ? eventFds.get(i).fd().number() : NO_EVENTFD;
        set.set(JAVA_INT, IRQ_SET_BYTES + (long) i * Integer.BYTES, number);
      }
      int result = Native.ioctl(device.number(), SET_IRQS, set.address());
      return ErrnoException.check(result, "set the interrupts of " + path);
    }
  }

  /** Where {@link #mapDma} may show memory; at least one range. */
  public List<IovaRange> iovaRanges() {
    return container.iovaRanges();
  }

  /**
   * Lets the function read and write memory of this process, which is locked as long.
   *
   * @param memory whole pages, which stay mapped here at least until {@link #unmapDma}
   * @param iova where the function finds it, a multiple of 4096 within {@link #iovaRanges}
   * @throws TwinspanException if that is more than this process may lock
   */
  public void mapDma(MemorySegment memory, long iova) {
    container.map(memory, iova);
  }

  /**
   * Takes memory back: when this returns, the IOMMU refuses it to the function.
   *
   * @param iova as in {@link #mapDma}
   * @param lengthBytes of what was mapped there
   */
  public void unmapDma(long iova, long lengthBytes) {
    container.unmap(iova, lengthBytes);
  }

  /** Gives the function back; the kernel resets it if it can. */
  @Override
  public void close() {
    device.close();
    container.close();
  }

  private record Region(long offset, long lengthBytes) {}

  private Region region(int index) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(REGION_INFO_BYTES, Long.BYTES);
      info.set(JAVA_INT, 0, REGION_INFO_BYTES);
      info.set(JAVA_INT, 8, index);
      int result = Native.ioctl(device.number(), GET_REGION_INFO, info.address());
      ErrnoException.check(result, "look at region " + index + " of " + path);
      return new Region(info.get(JAVA_LONG, 24), info.get(JAVA_LONG, 16));
    }
  }

  private MemorySegment info() {
    MemorySegment info = Arena.ofAuto().allocate(INFO_BYTES, Integer.BYTES);
    info.set(JAVA_INT, 0, INFO_BYTES);
    int result = Native.ioctl(device.number(), GET_INFO, info.address());
    ErrnoException.check(result, "look at " + path);
    return info;
  }

  private void command(int set, int cleared) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment command = arena.allocate(JAVA_SHORT);
      long offset = region(CONFIG_REGION).offset + COMMAND;
      ErrnoException.check((int) device.pread(command, offset), "read the command of " + path);
      int bits = (command.get(JAVA_SHORT, 0) | set) & ~cleared;
      command.set(JAVA_SHORT, 0, (short) bits);
      ErrnoException.check((int) device.pwrite(command, offset), "write the command of " + path);
    }
  }
}
