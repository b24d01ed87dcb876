package io.twinspan.nvme;

import io.twinspan.linux.Fd;

/**
 * What a device lends to somebody else: queue pairs whose commands reach the memory of this domain
 * and its blocks, and nothing else, whatever is written into them. So their entries and doorbells
 * may be written by who is not trusted. The device itself checks each command, which controllers
 * behind VFIO can't: to the IOMMU all queues of a function are one.
 *
 * <p>Safe for several threads; throws as {@link PciDevice} does.
 */
public interface QueueDomain extends AutoCloseable {
  /**
   * Lets the queue pairs of this domain read and write a part of a memfd.
   *
   * @param memory sealed against shrinking; it may be closed afterwards
   * @param offset of the part, in bytes, a multiple of 4096
   * @param lengthBytes its size, a multiple of 4096
   * @return where they find it; no other domain of the device has the same addresses
   */
  DmaRegion map(Fd memory, long offset, long lengthBytes);

  /**
   * Takes memory back, in which no queue may lie: when this returns, the device does not touch it
   * any more.
   *
   * @param region what {@link #map} returned
   */
  void unmap(DmaRegion region);

  /**
   * Makes the queue pair that is created next with an identifier one of this domain.
   *
   * @param queueId of the queues, which do not exist
   * @return its doorbells, owned by the caller
   */
  LentDoorbells lend(int queueId);

  /**
   * Makes an identifier, whose queues were deleted or never created, an ordinary one again.
   *
   * @param queueId of the queues
   */
  void takeBack(int queueId);

  /**
   * Takes everything away: when this returns, the queue pairs are gone, and the device does not
   * touch the memory any more.
   */
  @Override
  void close();
}
