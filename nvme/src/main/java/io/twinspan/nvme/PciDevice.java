package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A PCI function that this process drives: what the NVMe driver needs of VFIO, vfio-user, or a
 * fake.
 *
 * <p>Safe for several threads. Every call ends within the provider's deadline. A device that is
 * gone makes it throw {@link DeviceGoneException}, one that does not answer in time {@link
 * DeviceHungException}; except {@link #isPresent}, {@link #disconnect} and {@link #close}.
 */
public interface PciDevice extends QueueDevice, AutoCloseable {
  /** {@return a name for people and logs} */
  @Override
  String name();

  /**
   * {@return a register of BAR0, all ones where a removed device reads so}
   *
   * @param offset in bytes, a multiple of 4
   */
  int read32(long offset);

  /**
   * {@return a register of BAR0, all ones where a removed device reads so}
   *
   * @param offset in bytes, a multiple of 8
   */
  long read64(long offset);

  /**
   * Writes a register of BAR0.
   *
   * @param offset in bytes, a multiple of 4
   * @param value the value
   */
  void write32(long offset, int value);

  /**
   * Writes a register of BAR0.
   *
   * @param offset in bytes, a multiple of 8
   * @param value the value
   */
  void write64(long offset, long value);

  /**
   * {@return a part of BAR0 as memory, which stays mapped until {@link #close}}
   *
   * @param offset in bytes
   * @param lengthBytes size of the part
   * @throws NvmeException if the device does not let that part be mapped
   */
  @Override
  MemorySegment mapBar(long offset, long lengthBytes);

  /**
   * {@return whether BAR0 has doorbells that can be mapped; if not, they are registers, written by
   * {@link #write32}}
   */
  @Override
  default boolean sharesDoorbells() {
    return true;
  }

  @Override
  default void ring(long barOffset, int value) {
    write32(barOffset, value);
  }

  /**
   * Lets the device read and write a part of a memfd of this process.
   *
   * @param memory the memfd; it may be closed afterwards
   * @param offset of the part, in bytes, a multiple of 4096
   * @param lengthBytes its size, a multiple of 4096
   * @return where the device finds it
   */
  @Override
  DmaRegion map(Fd memory, long offset, long lengthBytes);

  /**
   * Takes a region back: when this returns, the device does not touch it any more.
   *
   * @param region what {@link #map} returned
   */
  void unmap(DmaRegion region);

  /** {@return the number of MSI-X vectors, 0 if there are no interrupts} */
  @Override
  int interruptCount();

  /**
   * {@return an eventfd that the device signals for an MSI-X vector; the same one for each call;
   * closed with the device}
   *
   * @param vector from 0 to {@link #interruptCount} less one
   */
  @Override
  EventFd interrupt(int vector);

  /**
   * {@return the eventfd that wakes a sleeping device after a doorbell was rung, where there is
   * one; see {@link DoorbellPage}; closed with the device}
   *
   * @param barOffset offset of the submission queue's tail doorbell in BAR0
   */
  @Override
  Optional<EventFd> doorbellEvent(long barOffset);

  /** {@return how many {@link QueueDomain domains} the device can hold, 0 if it knows none} */
  default int maxDomains() {
    return 0;
  }

  /**
   * {@return a new domain, of which there are at most {@link #maxDomains}}
   *
   * @param range the blocks that its queue pairs may touch
   */
  default QueueDomain createDomain(NamespaceRange range) {
    throw new NvmeException(name() + " can't keep queue pairs apart");
  }

  /**
   * {@return whether the device may still be there, as far as can be told without asking it; false
   * only when it is certain that it does not touch memory of this process any more}
   */
  boolean isPresent();

  /** {@return what becomes readable when the device goes; spurious wake-ups happen} */
  WakeSource removalSource();

  /** Resets the function: when this returns, the device touches no memory until it is enabled. */
  void reset();

  /**
   * Takes all memory of this process away from a device that does not obey, without waiting for it:
   * {@link #isPresent} becomes false when that has come about. Only {@link #close} may follow.
   * Never throws.
   */
  void disconnect();

  /**
   * Lets go of the device and frees what this object holds. A device that another process emulates,
   * and that hangs, may touch this process's memory until it notices.
   */
  @Override
  void close();
}
