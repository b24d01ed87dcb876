package io.twinspan.nvme;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** What a queue pair needs of a device: doorbells, interrupts, and access to its memory. */
interface QueueDevice {
  /** A name for people and logs. */
  String name();

  /** A part of BAR0, or what stands for it, as memory. */
  MemorySegment mapBar(long offset, long lengthBytes);

  /** Whether doorbells are memory that {@link #mapBar} gives; else {@link #ring} writes them. */
  default boolean sharesDoorbells() {
    return true;
  }

  /**
   * Writes a doorbell of a device that does not share them.
   *
   * @param barOffset of the doorbell
   * @throws NvmeException if that does not reach the device
   */
  default void ring(long barOffset, int value) {
    throw new UnsupportedOperationException(name() + " shares its doorbells");
  }

  /** Lets the device read and write a part of a memfd of this process. */
  DmaRegion map(Fd memory, long offset, long lengthBytes);

  /** How many interrupt vectors there are. */
  int interruptCount();

  /** What becomes readable when the device signals a vector. */
  EventFd interrupt(int vector);

  /** What wakes a sleeping device after the doorbell at that offset was rung, if it sleeps. */
  Optional<EventFd> doorbellEvent(long barOffset);
}
