package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A PCI function that the kernel's vfio-pci driver lends to this process, behind an IOMMU ({@code
 * linux/vfio.h}, type 1). No other process can have it, or another function of its IOMMU group, at
 * the same time. Not thread-safe.
 */
public final class VfioDevice implements AutoCloseable {
  private static final String DRIVER = "vfio-pci";

  // _IO(';', 100 + n)
  private static final int SET_IOMMU = 0x3B66;
  private static final int GROUP_SET_CONTAINER = 0x3B68;
  private static final int GROUP_GET_DEVICE_FD = 0x3B6A;
  private static final int GET_REGION_INFO = 0x3B6C;
  private static final int SET_IRQS = 0x3B6E;

  private static final int TYPE1_IOMMU = 1;
  private static final int CONFIG_REGION = 7;
  private static final int MSIX = 2;
  private static final int IRQ_DATA_EVENTFD = 4;
  private static final int IRQ_ACTION_TRIGGER = 32;
  private static final int REGION_INFO_BYTES = 32;
  private static final int IRQ_SET_BYTES = 24;

  private static final long COMMAND = 4;
  private static final int COMMAND_MEMORY_AND_BUS_MASTER = 6;

  private final Path path;
  private final List<Fd> opened = new ArrayList<>();
  private final Fd device;

  /**
   * Takes a function.
   *
   * @param path of the function in sysfs, such as {@code /sys/bus/pci/devices/0000:00:04.0}
   * @throws ErrnoException with {@code EBUSY} if another process has it
   * @throws TwinspanException if it is not bound to vfio-pci
   */
  public VfioDevice(Path path) {
    this.path = path;
    try {
      if (!isAt(path)) {
        throw new TwinspanException(path + " is not bound to the driver " + DRIVER);
      }
      String group = Path.of("/dev/vfio").resolve(linkedName(path, "iommu_group")).toString();
      Fd container = open("/dev/vfio/vfio");
      Fd ofGroup = open(group);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment number = arena.allocateFrom(JAVA_INT, container.number());
        control(ofGroup, GROUP_SET_CONTAINER, number.address(), "set the container of " + group);
        control(container, SET_IOMMU, TYPE1_IOMMU, "set the IOMMU of " + group);
        MemorySegment name = arena.allocateFrom(String.valueOf(path.getFileName()));
        device = Fd.adopt(control(ofGroup, GROUP_GET_DEVICE_FD, name.address(), "open " + path));
        opened.add(device);
      }
    } catch (IOException e) {
      close();
      throw new TwinspanException("can't open " + path + " by VFIO: " + e, e);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Whether a function in sysfs is bound to vfio-pci. */
  public static boolean isAt(Path path) {
    try {
      return Files.exists(path.resolve("driver")) && linkedName(path, "driver").equals(DRIVER);
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Maps a base address register; the mapping outlives this object.
   *
   * @param bar its number, 0 to 5
   */
  public Mapping map(int bar) {
    Region region = region(bar);
    return Mapping.device(device, region.offset, region.lengthBytes, Mapping.Protection.READ_WRITE);
  }

  /** Lets the function write to memory, without which it can't interrupt either. */
  public void enableBusMaster() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment command = arena.allocate(JAVA_SHORT);
      long offset = region(CONFIG_REGION).offset + COMMAND;
      ErrnoException.check((int) device.pread(command, offset), "read the command of " + path);
      int bits = command.get(JAVA_SHORT, 0) | COMMAND_MEMORY_AND_BUS_MASTER;
      command.set(JAVA_SHORT, 0, (short) bits);
      ErrnoException.check((int) device.pwrite(command, offset), "write the command of " + path);
    }
  }

  /**
   * Has the function's first MSI-X vector signal an eventfd.
   *
   * @param eventFd must stay open as long as this object
   */
  public void interrupt(EventFd eventFd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment set = arena.allocate(IRQ_SET_BYTES, Integer.BYTES);
      set.set(JAVA_INT, 0, IRQ_SET_BYTES);
      set.set(JAVA_INT, 4, IRQ_DATA_EVENTFD | IRQ_ACTION_TRIGGER);
      set.set(JAVA_INT, 8, MSIX);
      set.set(JAVA_INT, 12, 0); // first vector
      set.set(JAVA_INT, 16, 1); // how many
      set.set(JAVA_INT, 20, eventFd.fd().number());
      control(device, SET_IRQS, set.address(), "set the interrupt of " + path);
    }
  }

  /** Gives the function back. */
  @Override
  public void close() {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
    opened.clear();
  }

  private record Region(long offset, long lengthBytes) {}

  private Region region(int index) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(REGION_INFO_BYTES, Long.BYTES);
      info.set(JAVA_INT, 0, REGION_INFO_BYTES);
      info.set(JAVA_INT, 8, index);
      control(device, GET_REGION_INFO, info.address(), "look at region " + index + " of " + path);
      return new Region(info.get(JAVA_LONG, 24), info.get(JAVA_LONG, 16));
    }
  }

  private Fd open(String name) {
    Fd fd = Fd.open(Path.of(name), Fd.READ_WRITE, 0);
    opened.add(fd);
    return fd;
  }

  private static int control(Fd fd, int request, long argument, String what) {
    return ErrnoException.check(Native.ioctl(fd.number(), request, argument), what);
  }

  private static String linkedName(Path path, String link) throws IOException {
    return String.valueOf(path.resolve(link).toRealPath().getFileName());
  }
}
