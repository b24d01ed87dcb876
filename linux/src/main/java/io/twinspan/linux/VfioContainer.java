package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The IOMMU's side of one function that VFIO lends: its group, and the address space through which
 * it reaches memory of this process. Says in plain words what is missing when it can't be had.
 */
final class VfioContainer implements AutoCloseable {
  static final String DRIVER = "vfio-pci";

  // _IO(';', 100 + n)
  private static final int SET_IOMMU = 0x3B66;
  private static final int GROUP_GET_STATUS = 0x3B67;
  private static final int GROUP_SET_CONTAINER = 0x3B68;
  private static final int GROUP_GET_DEVICE_FD = 0x3B6A;
  private static final int IOMMU_GET_INFO = 0x3B70;
  private static final int IOMMU_MAP_DMA = 0x3B71;
  private static final int IOMMU_UNMAP_DMA = 0x3B72;

  private static final int TYPE1_IOMMU = 1;
  private static final int GROUP_VIABLE = 1;
  private static final int GROUP_STATUS_BYTES = 8;
  private static final int MAP_READ_WRITE = 3;
  private static final int MAP_BYTES = 32;
  private static final int UNMAP_BYTES = 24;

  // struct vfio_iommu_type1_info and its capabilities
  private static final int INFO_BYTES = 24;
  private static final int INFO_ROOM = 4096;
  private static final int INFO_HAS_CAPABILITIES = 2;
  private static final int INFO_FIRST_CAPABILITY = 16;
  private static final int CAPABILITY_HEADER_BYTES = 8;
  private static final int CAPABILITY_IOVA_RANGES = 1;
  private static final int RANGES_FIRST = 16;
  private static final int RANGE_BYTES = 16;

  /** What all IOMMUs of x86 reach, below the window of their interrupts. */
  private static final VfioDevice.IovaRange ANYWHERE = new VfioDevice.IovaRange(0, 0xfedf_ffffL);

  private final Path function;
  private final String group;
  private final List<Fd> opened = new ArrayList<>();
  private final Fd container;
  private final Fd ofGroup;

  /**
   * Takes a function's group.
   *
   * @throws TwinspanException whose message says what is to be done
   */
  VfioContainer(Path function) {
    this.function = function;
    requireBound();
    group = "/dev/vfio/" + linkedName("iommu_group");
    try {
      container = open("/dev/vfio/vfio");
      ofGroup = open(group);
      requireViable();
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment number = arena.allocateFrom(JAVA_INT, container.number());
        control(ofGroup, GROUP_SET_CONTAINER, number, "set the container of " + group);
      }
      int result = Native.ioctl(container.number(), SET_IOMMU, TYPE1_IOMMU);
      if (result == -Errno.EPERM) {
        throw new TwinspanException(
            "%s: the IOMMU can't keep interrupts apart (no interrupt remapping); switch it on in the firmware"
                .formatted(function));
      }
      ErrnoException.check(result, "set the IOMMU of " + group);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Whether a function in sysfs is bound to vfio-pci. */
  static boolean isBound(Path function) {
    return driver(function).equals(DRIVER);
  }

  /** Opens the function itself; the caller owns the descriptor. */
  Fd openFunction() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(String.valueOf(function.getFileName()));
      return Fd.adopt(control(ofGroup, GROUP_GET_DEVICE_FD, name, "open " + function));
    }
  }

  /** Where the function may be shown memory; at least one range. */
  List<VfioDevice.IovaRange> iovaRanges() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(INFO_ROOM, Long.BYTES);
      info.set(JAVA_INT, 0, INFO_ROOM);
      control(container, IOMMU_GET_INFO, info, "look at the IOMMU of " + function);
      if ((info.get(JAVA_INT, 4) & INFO_HAS_CAPABILITIES) == 0) {
        return List.of(ANYWHERE);
      }
      int length = Math.min(info.get(JAVA_INT, 0), INFO_ROOM);
      int at = info.get(JAVA_INT, INFO_FIRST_CAPABILITY);
      while (at >= INFO_BYTES && at <= length - RANGES_FIRST) {
        if (info.get(JAVA_SHORT, at) == CAPABILITY_IOVA_RANGES) {
          return ranges(info, at, length);
        }
        at = info.get(JAVA_INT, at + CAPABILITY_HEADER_BYTES - Integer.BYTES);
      }
      return List.of(ANYWHERE);
    }
  }

  /** Shows the function memory of this process. */
  void map(MemorySegment memory, long iova) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment map = arena.allocate(MAP_BYTES, Long.BYTES);
      map.set(JAVA_INT, 0, MAP_BYTES);
      map.set(JAVA_INT, 4, MAP_READ_WRITE);
      map.set(JAVA_LONG, 8, memory.address());
      map.set(JAVA_LONG, 16, iova);
      map.set(JAVA_LONG, 24, memory.byteSize());
      int result = Native.ioctl(container.number(), IOMMU_MAP_DMA, map.address());
      if (result == -Errno.ENOMEM) {
        throw new TwinspanException(
            "%s: the kernel does not lock %d bytes more for it; this process may lock %s (ulimit -l, LimitMEMLOCK)"
                .formatted(function, memory.byteSize(), lockLimit()));
      }
      ErrnoException.check(
          result, "map %d bytes at 0x%x for %s".formatted(memory.byteSize(), iova, function));
    }
  }

  /** Takes memory back; when this returns the function can't reach it any more. */
  void unmap(long iova, long lengthBytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment unmap = arena.allocate(UNMAP_BYTES, Long.BYTES);
      unmap.set(JAVA_INT, 0, UNMAP_BYTES);
      unmap.set(JAVA_LONG, 8, iova);
      unmap.set(JAVA_LONG, 16, lengthBytes);
      control(container, IOMMU_UNMAP_DMA, unmap, "unmap 0x%x of %s".formatted(iova, function));
    }
  }

  @Override
  public void close() {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
    opened.clear();
  }

  private static List<VfioDevice.IovaRange> ranges(MemorySegment info, int at, int length) {
    int count = Math.min(info.get(JAVA_INT, at + 8), (length - at - RANGES_FIRST) / RANGE_BYTES);
    List<VfioDevice.IovaRange> ranges = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long first = info.get(JAVA_LONG_UNALIGNED, at + RANGES_FIRST + (long) i * RANGE_BYTES);
      long last =
          info.get(JAVA_LONG_UNALIGNED, at + RANGES_FIRST + (long) i * RANGE_BYTES + Long.BYTES);
      // A whole 64-bit space ends at -1, and addresses with the sign bit help nobody.
      if (first >= 0) {
        ranges.add(new VfioDevice.IovaRange(first, last < 0 ? Long.MAX_VALUE : last));
      }
    }
    return List.copyOf(ranges);
  }

  private void requireBound() {
    if (!Files.exists(function)) {
      throw new TwinspanException("there is no PCI function " + function);
    }
    if (!Files.exists(function.resolve("iommu_group"))) {
      throw new TwinspanException(
          "%s is behind no IOMMU: switch it on in the firmware (VT-d, AMD-Vi) and start the kernel with intel_iommu=on where it is Intel's"
              .formatted(function));
    }
    String driver = driver(function);
    if (!driver.equals(DRIVER)) {
      String name = String.valueOf(function.getFileName());
      String holder = driver.isEmpty() ? "no driver" : "the kernel's driver " + driver;
      throw new TwinspanException(
          "%s has %s; to take it: echo %s > %s/driver_override%s; echo %s > /sys/bus/pci/drivers_probe"
              .formatted(
                  function,
                  holder,
                  DRIVER,
                  function,
                  driver.isEmpty() ? "" : "; echo %s > %s/driver/unbind".formatted(name, function),
                  name));
    }
  }

  private void requireViable() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(GROUP_STATUS_BYTES, Integer.BYTES);
      status.set(JAVA_INT, 0, GROUP_STATUS_BYTES);
      control(ofGroup, GROUP_GET_STATUS, status, "look at " + group);
      if ((status.get(JAVA_INT, 4) & GROUP_VIABLE) == 0) {
        throw new TwinspanException(
            "%s shares its IOMMU group with functions that the kernel's drivers have: %s; bind all of them to %s"
                .formatted(function, groupMembers(), DRIVER));
      }
    }
  }

  private List<String> groupMembers() {
    try (Stream<Path> members = Files.list(function.resolve("iommu_group/devices"))) {
      return members.map(path -> path.getFileName() + " (" + driver(path) + ")").sorted().toList();
    } catch (IOException e) {
      return List.of();
    }
  }

  private Fd open(String name) {
    try {
      Fd fd = Fd.open(Path.of(name), Fd.READ_WRITE, 0);
      opened.add(fd);
      return fd;
    } catch (ErrnoException e) {
      throw switch (e.errno()) {
        case Errno.EACCES, Errno.EPERM ->
            new TwinspanException(
                "this user may not open %s, through which %s is reached; an administrator can give it away with chown"
                    .formatted(name, function),
                e);
        case Errno.EBUSY ->
            new TwinspanException(
                "another process has %s, or a function of its group (%s)".formatted(function, name),
                e);
        case Errno.ENOENT, Errno.ENODEV ->
            new TwinspanException("there is no %s; modprobe %s".formatted(name, DRIVER), e);
        default -> e;
      };
    }
  }

  private String linkedName(String link) {
    String name = linkedName(function, link);
    if (name.isEmpty()) {
      throw new TwinspanException("%s has no %s".formatted(function, link));
    }
    return name;
  }

  private static String driver(Path function) {
    return linkedName(function, "driver");
  }

  private static String linkedName(Path function, String link) {
    try {
      return String.valueOf(function.resolve(link).toRealPath().getFileName());
    } catch (IOException e) {
      return "";
    }
  }

  private static String lockLimit() {
    try {
      for (String line :
          Files.readAllLines(Path.of("/proc/self/limits"), StandardCharsets.ISO_8859_1)) {
        if (line.startsWith("Max locked memory")) {
          return line.split("\\s{2,}", -1)[1] + " bytes";
        }
      }
    } catch (IOException e) {
      // then without the number
    }
    return "fewer";
  }

  private static int control(Fd fd, int request, MemorySegment argument, String what) {
    return ErrnoException.check(Native.ioctl(fd.number(), request, argument.address()), what);
  }
}
