package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A device of a shelf that does not let on that it can keep queue pairs apart. */
record PlainDevice(PciDevice device) implements PciDevice {
  @Override
  public String name() {
    return device.name();
  }

  @Override
  public int read32(long offset) {
    return device.read32(offset);
  }

  @Override
  public long read64(long offset) {
    return device.read64(offset);
  }

  @Override
  public void write32(long offset, int value) {
    device.write32(offset, value);
  }

  @Override
  public void write64(long offset, long value) {
    device.write64(offset, value);
  }

  @Override
  public MemorySegment mapBar(long offset, long lengthBytes) {
    return device.mapBar(offset, lengthBytes);
  }

  @Override
  public DmaRegion map(Fd memory, long offset, long lengthBytes) {
    return device.map(memory, offset, lengthBytes);
  }

  @Override
  public void unmap(DmaRegion region) {
    device.unmap(region);
  }

  @Override
  public int interruptCount() {
    return device.interruptCount();
  }

  @Override
  public EventFd interrupt(int vector) {
    return device.interrupt(vector);
  }

  @Override
  public Optional<EventFd> doorbellEvent(long barOffset) {
    return device.doorbellEvent(barOffset);
  }

  @Override
  public boolean isPresent() {
    return device.isPresent();
  }

  @Override
  public WakeSource removalSource() {
    return device.removalSource();
  }

  @Override
  public void reset() {
    device.reset();
  }

  @Override
  public void disconnect() {
    device.disconnect();
  }

  @Override
  public void close() {
    device.close();
  }
}
