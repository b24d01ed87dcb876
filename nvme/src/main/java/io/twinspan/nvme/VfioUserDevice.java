package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.VfioUser.DeviceInfo;
import io.twinspan.nvme.VfioUser.DmaMap;
import io.twinspan.nvme.VfioUser.DmaUnmap;
import io.twinspan.nvme.VfioUser.IrqInfo;
import io.twinspan.nvme.VfioUser.IrqSet;
import io.twinspan.nvme.VfioUser.RegionAccess;
import io.twinspan.nvme.VfioUser.RegionInfo;
import io.twinspan.nvme.VfioUser.RegionIoFds;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A PCI device that another process emulates, reached by the vfio-user protocol over a Unix socket.
 *
 * <p>Registers are read and written by messages; doorbells lie in memory that the server shares.
 * Each message is answered within the timeout that {@link #connect} was given, else the device
 * counts as hung, and no further message is sent. {@link #disconnect} and closing tell the server
 * to drop its mappings of this process's memory; it has done so when it closes its end, or dies.
 */
public final class VfioUserDevice implements PciDevice {
  /** First DMA address given out, and the alignment of all: what an IOMMU would like too. */
  private static final long IOVA_ALIGNMENT = 2L << 20;

  private static final int MAX_VECTORS = 2048;
  private static final int MAX_AREAS = 16;
  private static final int COMMAND_REGISTER = 4;
  private static final int MEMORY_AND_BUS_MASTER = 6;

  private final String name;
  private final VfioUserConnection connection;
  private final WakeSource removalSource;
  private final TreeMap<Long, Mapping> areas = new TreeMap<>();
  private final Map<Long, EventFd> doorbellEvents = new HashMap<>();
  private final Map<Integer, EventFd> interrupts = new HashMap<>();
  private int interruptCount;
  private int maxDomains;
  private long nextIova = IOVA_ALIGNMENT;

  private VfioUserDevice(String name, VfioUserConnection connection) {
    this.name = name;
    this.connection = connection;
    removalSource = WakeSource.readable(connection.fd());
  }

  /**
   * Connects to an emulated device, trying again while its server is starting.
   *
   * @param socket path of the server's socket
   * @param timeout for connecting, and then for each message
   * @return the device
   * @throws NvmeException if the server is no vfio-user server of a version, or of a device, that
   *     we know
   */
  public static VfioUserDevice connect(Path socket, Duration timeout) {
    String name = "vfio-user:" + socket;
    VfioUserDevice device = new VfioUserDevice(name, new VfioUserConnection(socket, timeout));
    try {
      device.negotiate();
      return device;
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int read32(long offset) {
    synchronized (connection) {
      return read(VfioUser.REGION_BAR0, offset, 4).u32(RegionAccess.DATA);
    }
  }

  @Override
  public long read64(long offset) {
    synchronized (connection) {
      return read(VfioUser.REGION_BAR0, offset, 8).u64(RegionAccess.DATA);
    }
  }

  @Override
  public void write32(long offset, int value) {
    synchronized (connection) {
      VfioUserMessage message = beginWrite(VfioUser.REGION_BAR0, offset, 4);
      message.u32(RegionAccess.DATA, value);
      connection.exchange(0);
    }
  }

  @Override
  public void write64(long offset, long value) {
    synchronized (connection) {
      VfioUserMessage message = beginWrite(VfioUser.REGION_BAR0, offset, 8);
      message.u64(RegionAccess.DATA, value);
      connection.exchange(0);
    }
  }

  @Override
  public MemorySegment mapBar(long offset, long lengthBytes) {
    synchronized (connection) {
      Map.Entry<Long, Mapping> area = areas.floorEntry(offset);
      if (area == null || offset + lengthBytes > area.getKey() + area.getValue().lengthBytes()) {
        throw new NvmeException(
            "%s does not share BAR0 from 0x%x to 0x%x"
                .formatted(name, offset, offset + lengthBytes));
      }
      return area.getValue().segment().asSlice(offset - area.getKey(), lengthBytes);
    }
  }

  @Override
  public boolean sharesDoorbells() {
    synchronized (connection) {
      return !areas.isEmpty();
    }
  }

  @Override
  public DmaRegion map(Fd memory, long offset, long lengthBytes) {
    synchronized (connection) {
      VfioUserMessage message = connection.command(VfioUser.DMA_MAP, DmaMap.BYTES);
      message
          .u32(DmaMap.ARGSZ, DmaMap.BYTES)
          .u32(DmaMap.FLAGS, DmaMap.READABLE | DmaMap.WRITABLE)
          .u64(DmaMap.OFFSET, offset)
          .u64(DmaMap.ADDRESS, nextIova)
          .u64(DmaMap.SIZE, lengthBytes);
      connection.exchange(0, memory);
      return new DmaRegion(takeAddresses(lengthBytes), lengthBytes);
    }
  }

  @Override
  public void unmap(DmaRegion region) {
    synchronized (connection) {
      VfioUserMessage message = connection.command(VfioUser.DMA_UNMAP, DmaUnmap.BYTES);
      message
          .u32(DmaUnmap.ARGSZ, DmaUnmap.BYTES)
          .u64(DmaUnmap.ADDRESS, region.iova())
          .u64(DmaUnmap.SIZE, region.lengthBytes());
      connection.exchange(0);
    }
  }

  @Override
  public int maxDomains() {
    return maxDomains;
  }

  @Override
  public QueueDomain createDomain(NamespaceRange range) {
    return new VfioUserDomain(connection, this::takeAddresses, range);
  }

  @Override
  public int interruptCount() {
    return interruptCount;
  }

  @Override
  public EventFd interrupt(int vector) {
    if (vector < 0 || vector >= interruptCount) {
      throw new IllegalArgumentException("vector %d of %d".formatted(vector, interruptCount));
    }
    synchronized (connection) {
      return interrupts.computeIfAbsent(vector, this::connectInterrupt);
    }
  }

  @Override
  public Optional<EventFd> doorbellEvent(long barOffset) {
    synchronized (connection) {
      return Optional.ofNullable(doorbellEvents.get(barOffset));
    }
  }

  @Override
  public boolean isPresent() {
    return connection.isPresent();
  }

  @Override
  public WakeSource removalSource() {
    return removalSource;
  }

  @Override
  public void reset() {
    synchronized (connection) {
      connection.command(VfioUser.DEVICE_RESET, 0);
      connection.exchange(0);
    }
  }

  @Override
  public void disconnect() {
    connection.disconnect();
  }

  @Override
  public void close() {
    synchronized (connection) {
      connection.close();
      doorbellEvents.values().forEach(EventFd::close);
      interrupts.values().forEach(EventFd::close);
      areas.values().forEach(Mapping::close);
      areas.clear();
    }
  }

  private void negotiate() {
    synchronized (connection) {
      agreeOnVersion();
      requirePciDevice();
      askForBar0();
      askForInterrupts();
      askForDoorbellEvents();
      enableBusMaster();
    }
  }

  private void agreeOnVersion() {
    VfioUserVersion ours = VfioUserVersion.OURS;
    ours.writeTo(connection.command(VfioUser.VERSION, ours.payloadBytes()));
    VfioUserVersion theirs = VfioUserVersion.readFrom(connection.exchange(VfioUser.Version.DATA));
    if (theirs.major() != ours.major() || theirs.minor() > ours.minor()) {
      throw new NvmeException(
          "%s speaks vfio-user %d.%d, we speak %d.%d"
              .formatted(name, theirs.major(), theirs.minor(), ours.major(), ours.minor()));
    }
    maxDomains = theirs.domains();
    if (theirs.maxFds() < 1) {
      throw new NvmeException(name + " takes no descriptors, so it can't share memory");
    }
  }

  /** No address is given out twice, so that one domain's means nothing in another. */
  private long takeAddresses(long lengthBytes) {
    long first = nextIova;
    nextIova = (nextIova + lengthBytes + IOVA_ALIGNMENT - 1) & -IOVA_ALIGNMENT;
    return first;
  }

  private void requirePciDevice() {
    connection.command(VfioUser.DEVICE_GET_INFO, DeviceInfo.BYTES).u32(0, DeviceInfo.BYTES);
    VfioUserMessage info = connection.exchange(DeviceInfo.BYTES);
    if ((info.u32(DeviceInfo.FLAGS) & DeviceInfo.FLAG_PCI) == 0
        || info.u32(DeviceInfo.REGIONS) <= VfioUser.REGION_CONFIG
        || info.u32(DeviceInfo.IRQS) <= VfioUser.IRQ_MSIX) {
      throw new NvmeException(
          "%s is no PCI device: flags 0x%x, %d regions, %d interrupt types"
              .formatted(
                  name,
                  info.u32(DeviceInfo.FLAGS),
                  info.u32(DeviceInfo.REGIONS),
                  info.u32(DeviceInfo.IRQS)));
    }
  }

  private void askForBar0() {
    int room =
        RegionInfo.BYTES + RegionInfo.SPARSE_FIRST + MAX_AREAS * RegionInfo.SPARSE_AREA_BYTES;
    connection
        .command(VfioUser.DEVICE_GET_REGION_INFO, RegionInfo.BYTES)
        .u32(RegionInfo.ARGSZ, room)
        .u32(RegionInfo.INDEX, VfioUser.REGION_BAR0);
    VfioUserMessage info = connection.exchange(RegionInfo.BYTES);
    List<Fd> fds = connection.takeFds();
    try {
      long size = info.u64(RegionInfo.SIZE);
      int flags = info.u32(RegionInfo.FLAGS);
      if (size < ControllerRegisters.DOORBELLS) {
        throw new NvmeException("BAR0 of %s has %d bytes".formatted(name, size));
      }
      if ((flags & RegionInfo.FLAG_MMAP) == 0) {
        return; // each doorbell costs a message
      }
      if (fds.isEmpty()) {
        throw new NvmeException(name + " has not sent the memory of its doorbells");
      }
      mapAreas(info, fds.getFirst(), size);
    } finally {
      fds.forEach(Fd::close);
    }
  }

  private void mapAreas(VfioUserMessage info, Fd fd, long size) {
    long base = info.u64(RegionInfo.OFFSET);
    if ((info.u32(RegionInfo.FLAGS) & RegionInfo.FLAG_CAPS) == 0) {
      mapArea(fd, base, 0, size, size);
      return;
    }
    int at = info.u32(RegionInfo.CAP_OFFSET);
    // Each capability is at least a header long, so the payload bounds the number of steps.
    for (int steps = 0;
        at != 0 && steps <= info.payloadBytes() / RegionInfo.CAP_HEADER_BYTES;
        steps++) {
      requireWithin(info, at, RegionInfo.CAP_HEADER_BYTES);
      if (info.u16(at) == RegionInfo.CAP_SPARSE_MMAP) {
        requireWithin(info, at, RegionInfo.SPARSE_FIRST);
        int count = info.u32(at + RegionInfo.SPARSE_AREAS);
        if (count < 1 || count > MAX_AREAS) {
          throw new NvmeException("%s shares BAR0 in %d areas".formatted(name, count));
        }
        int first = at + RegionInfo.SPARSE_FIRST;
        requireWithin(info, first, count * RegionInfo.SPARSE_AREA_BYTES);
        for (int i = 0; i < count; i++) {
          int area = first + i * RegionInfo.SPARSE_AREA_BYTES;
          mapArea(fd, base, info.u64(area), info.u64(area + 8), size);
        }
        return;
      }
      at = info.u32(at + 4);
    }
    mapArea(fd, base, 0, size, size);
  }

  private void mapArea(Fd fd, long base, long offset, long length, long size) {
    boolean within = offset >= 0 && length > 0 && offset <= size && length <= size - offset;
    if (!within || base < 0 || base > Long.MAX_VALUE - size) {
      throw new NvmeException(
          "%s shares %d bytes at %d of a BAR0 of %d".formatted(name, length, offset, size));
    }
    var _ = Memfd.requireSealed(fd, base + offset + length);
    Mapping mapping = Mapping.shared(fd, base + offset, length, Mapping.Protection.READ_WRITE);
    Mapping former = areas.put(offset, mapping);
    if (former != null) {
      former.close();
    }
  }

  private void requireWithin(VfioUserMessage info, int offset, int length) {
    if (offset < RegionInfo.BYTES || offset > info.payloadBytes() - length) {
      throw new NvmeException(
          "%s describes BAR0 with a capability at %d of %d bytes"
              .formatted(name, offset, info.payloadBytes()));
    }
  }

  private void askForInterrupts() {
    connection
        .command(VfioUser.DEVICE_GET_IRQ_INFO, IrqInfo.BYTES)
        .u32(IrqInfo.ARGSZ, IrqInfo.BYTES)
        .u32(IrqInfo.INDEX, VfioUser.IRQ_MSIX);
    VfioUserMessage info = connection.exchange(IrqInfo.BYTES);
    boolean usable = (info.u32(IrqInfo.FLAGS) & IrqInfo.FLAG_EVENTFD) != 0;
    int count = info.u32(IrqInfo.COUNT);
    interruptCount = usable ? Math.clamp(count, 0, MAX_VECTORS) : 0;
  }

  /** A server that has no such eventfds polls its doorbells. */
  private void askForDoorbellEvents() {
    int room = RegionIoFds.BYTES + VfioUser.MAX_FDS * RegionIoFds.SUB_REGION_BYTES;
    connection
        .command(VfioUser.DEVICE_GET_REGION_IO_FDS, RegionIoFds.BYTES)
        .u32(RegionIoFds.ARGSZ, room)
        .u32(RegionIoFds.INDEX, VfioUser.REGION_BAR0);
    VfioUserMessage reply;
    try {
      reply = connection.exchange(RegionIoFds.BYTES);
    } catch (RefusedException e) {
      return;
    }
    List<Fd> fds = connection.takeFds();
    try {
      int count = reply.u32(RegionIoFds.COUNT);
      int fits = (reply.payloadBytes() - RegionIoFds.BYTES) / RegionIoFds.SUB_REGION_BYTES;
      for (int i = 0; i < Math.min(count, fits); i++) {
        adoptDoorbellEvent(reply, RegionIoFds.BYTES + i * RegionIoFds.SUB_REGION_BYTES, fds);
      }
    } finally {
      fds.forEach(Fd::close);
    }
  }

  private void adoptDoorbellEvent(VfioUserMessage reply, int at, List<Fd> fds) {
    int index = reply.u32(at + RegionIoFds.SUB_FD_INDEX);
    if (reply.u32(at + RegionIoFds.SUB_TYPE) != RegionIoFds.TYPE_IOEVENTFD) {
      return;
    }
    if (index < 0 || index >= fds.size()) {
      throw new NvmeException(
          "%s names descriptor %d of %d for a doorbell".formatted(name, index, fds.size()));
    }
    EventFd event = EventFd.adopt(fds.get(index).duplicate());
    EventFd former = doorbellEvents.put(reply.u64(at + RegionIoFds.SUB_OFFSET), event);
    if (former != null) {
      former.close();
    }
  }

  private void enableBusMaster() {
    int command = read(VfioUser.REGION_CONFIG, COMMAND_REGISTER, 2).u16(RegionAccess.DATA);
    VfioUserMessage message = beginWrite(VfioUser.REGION_CONFIG, COMMAND_REGISTER, 2);
    message.u16(RegionAccess.DATA, command | MEMORY_AND_BUS_MASTER);
    connection.exchange(0);
  }

  private EventFd connectInterrupt(int vector) {
    EventFd event = EventFd.create();
    try {
      connection
          .command(VfioUser.DEVICE_SET_IRQS, IrqSet.BYTES)
          .u32(IrqSet.ARGSZ, IrqSet.BYTES)
          .u32(IrqSet.FLAGS, IrqSet.DATA_EVENTFD | IrqSet.ACTION_TRIGGER)
          .u32(IrqSet.INDEX, VfioUser.IRQ_MSIX)
          .u32(IrqSet.START, vector)
          .u32(IrqSet.COUNT, 1);
      connection.exchange(0, event.fd());
      return event;
    } catch (RuntimeException e) {
      event.close();
      throw e;
    }
  }

  private VfioUserMessage read(int region, long offset, int count) {
    connection
        .command(VfioUser.REGION_READ, RegionAccess.DATA)
        .u64(RegionAccess.OFFSET, offset)
        .u32(RegionAccess.REGION, region)
        .u32(RegionAccess.COUNT, count);
    return connection.exchange(RegionAccess.DATA + count);
  }

  private VfioUserMessage beginWrite(int region, long offset, int count) {
    return connection
        .command(VfioUser.REGION_WRITE, RegionAccess.DATA + count)
        .u64(RegionAccess.OFFSET, offset)
        .u32(RegionAccess.REGION, region)
        .u32(RegionAccess.COUNT, count);
  }
}
