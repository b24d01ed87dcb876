package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.VfioDevice;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A PCI function of this machine, lent by the kernel's vfio-pci driver. Registers and doorbells are
 * the function's own, mapped here; the IOMMU lets it reach the memory that was mapped, and nothing
 * else, which holds also for one that does not obey: {@link #disconnect} needs no co-operation.
 *
 * <p>Memory that the function may reach is locked: it counts against RLIMIT_MEMLOCK.
 *
 * <p>When the kernel wants the function back, as for a removal, it counts as gone at once.
 */
public final class VfioPciDevice implements PciDevice {
  private static final Path FUNCTIONS = Path.of("/sys/bus/pci/devices");
  private static final int BAR0 = 0;

  /** Admin queue and as many queue pairs as a driver has at most. */
  private static final int MAX_VECTORS = 65;

  private record Part(long offset, long lengthBytes) {}

  private record Shown(Mapping memory, DmaRegion region) {}

  private final String name;
  private final VfioDevice device;
  private final Mapping registers;
  private final IovaSpace iovas;
  private final List<EventFd> interrupts;
  private final EventFd request = EventFd.create();
  private final Map<Part, Mapping> parts = new HashMap<>();
  private final Map<Long, Shown> shown = new HashMap<>();
  private volatile boolean present = true;
  private boolean closed;

  private VfioPciDevice(String name, VfioDevice device) {
    this.name = name;
    this.device = device;
    registers = device.map(BAR0, 0, ControllerRegisters.DOORBELLS);
    try {
      iovas = new IovaSpace(device.iovaRanges());
      device.enableBusMaster();
      interrupts = connectInterrupts(device);
      if (device.interruptCount(VfioDevice.REQUEST) > 0) {
        var _ = device.interrupts(VfioDevice.REQUEST, List.of(request), 1);
      }
    } catch (RuntimeException e) {
      registers.close();
      throw e;
    }
  }

  /**
   * Takes a function.
   *
   * @param address in PCI, such as {@code 0000:01:00.0}
   * @return the function, with interrupts and bus mastering on
   * @throws NvmeException if there is no IOMMU, the function is not bound to vfio-pci, another
   *     process has it, or this user may not open it; the message says what to do
   */
  public static VfioPciDevice open(String address) {
    return open(FUNCTIONS.resolve(address));
  }

  /** As {@link #open(String)}, for a function at another place in the file system. */
  static VfioPciDevice open(Path function) {
    try {
      VfioDevice device = new VfioDevice(function);
      try {
        return new VfioPciDevice("vfio:" + function.getFileName(), device);
      } catch (RuntimeException e) {
        device.close();
        throw e;
      }
    } catch (TwinspanException e) {
      throw wrap(e);
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int read32(long offset) {
    try {
      return SharedMemory.getIntAcquire(registers.segment(), offset);
    } catch (InternalError e) {
      return ControllerRegisters.ALL_ONES; // the JVM's answer to SIGBUS: nothing is there
    }
  }

  @Override
  public long read64(long offset) {
    try {
      return SharedMemory.getLongAcquire(registers.segment(), offset);
    } catch (InternalError e) {
      return ControllerRegisters.ALL_ONES;
    }
  }

  @Override
  public void write32(long offset, int value) {
    try {
      SharedMemory.setIntRelease(registers.segment(), offset, value);
    } catch (InternalError e) {
      throw gone();
    }
  }

  @Override
  public void write64(long offset, long value) {
    try {
      SharedMemory.setLongRelease(registers.segment(), offset, value);
    } catch (InternalError e) {
      throw gone();
    }
  }

  @Override
  public synchronized MemorySegment mapBar(long offset, long lengthBytes) {
    try {
      Part part = new Part(offset, lengthBytes);
      return parts.computeIfAbsent(part, p -> device.map(BAR0, p.offset, p.lengthBytes)).segment();
    } catch (TwinspanException e) {
      throw wrap(e);
    }
  }

  @Override
  public synchronized DmaRegion map(Fd memory, long offset, long lengthBytes) {
    requirePresent();
    DmaRegion region = iovas.take(lengthBytes);
    try {
      Mapping mapping = Mapping.shared(memory, offset, lengthBytes, Mapping.Protection.READ_WRITE);
      try {
        device.mapDma(mapping.segment(), region.iova());
      } catch (RuntimeException e) {
        mapping.close();
        throw e;
      }
      shown.put(region.iova(), new Shown(mapping, region));
      return region;
    } catch (TwinspanException e) {
      iovas.release(region);
      throw wrap(e);
    }
  }

  @Override
  public synchronized void unmap(DmaRegion region) {
    Shown was = shown.remove(region.iova());
    if (was == null) {
      return; // disconnected
    }
    try {
      device.unmapDma(region.iova(), region.lengthBytes());
    } catch (TwinspanException e) {
      throw wrap(e);
    }
    was.memory.close();
    iovas.release(region);
  }

  @Override
  public int interruptCount() {
    return interrupts.size();
  }

  @Override
  public EventFd interrupt(int vector) {
    return interrupts.get(vector);
  }

  /** {@return nothing: a real controller does not sleep} */
  @Override
  public Optional<EventFd> doorbellEvent(long barOffset) {
    return Optional.empty();
  }

  @Override
  public boolean isPresent() {
    if (present && request.drain()) {
      disconnect();
    }
    return present;
  }

  @Override
  public WakeSource removalSource() {
    return WakeSource.readable(request.fd());
  }

  @Override
  public synchronized void reset() {
    requirePresent();
    if (!device.canReset()) {
      throw new NvmeException(name + " has no way to reset the function alone");
    }
    try {
      device.reset();
    } catch (TwinspanException e) {
      throw wrap(e);
    }
  }

  @Override
  public synchronized void disconnect() {
    if (!present) {
      return;
    }
    try {
      device.disableBusMaster();
    } catch (TwinspanException e) {
      // It may have been pulled out. What counts is the IOMMU.
    }
    for (Shown each : List.copyOf(shown.values())) {
      try {
        unmap(each.region);
      } catch (TwinspanException e) {
        return; // it may still reach that part, so nobody may be told otherwise
      }
    }
    present = false;
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    disconnect();
    present = false;
    parts.values().forEach(Mapping::close);
    registers.close();
    device.close();
    shown.values().forEach(each -> each.memory.close());
    interrupts.forEach(EventFd::close);
    request.close();
  }

  /** Connects as many vectors as there are, or as the kernel has left. */
  private static List<EventFd> connectInterrupts(VfioDevice device) {
    List<EventFd> events = new ArrayList<>();
    try {
      int wanted = Math.min(device.interruptCount(VfioDevice.MSIX), MAX_VECTORS);
      while (wanted > 0) {
        while (events.size() < wanted) {
          events.add(EventFd.create());
        }
        while (events.size() > wanted) {
          events.removeLast().close();
        }
        int left = device.interrupts(VfioDevice.MSIX, events, wanted);
        if (left == 0) {
          break;
        }
        wanted = Math.min(left, wanted - 1);
      }
      return List.copyOf(events);
    } catch (RuntimeException e) {
      events.forEach(EventFd::close);
      throw e;
    }
  }

  private void requirePresent() {
    if (!present) {
      throw gone();
    }
  }

  private DeviceGoneException gone() {
    return new DeviceGoneException(name + " is not there any more");
  }

  private static NvmeException wrap(TwinspanException e) {
    return e instanceof NvmeException ours
        ? ours
        : new NvmeException(String.valueOf(e.getMessage()), e);
  }
}
