package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import java.util.List;

/**
 * How one process at a {@link Broker} comes to memory and queue pairs of the drive: past the broker
 * ({@link DirectLending}), where the drive itself keeps processes apart, else through it ({@link
 * MediatedLending}). Limits and policy are the session's, whose thread calls all of this.
 */
interface Lending extends AutoCloseable {
  /** How many pieces of memory the process may have at a time. */
  int MAX_PIECES = 32;

  /** Waits until the process may have sent something; ends the session if it lost its queues. */
  void awaitRequest(Fd socket);

  /**
   * Gives the drive access to a part of a memfd of the process.
   *
   * @param memory sealed; may be closed afterwards
   */
  DmaRegion map(Fd memory, long offset, long lengthBytes);

  /** Takes that access back; refused if a queue lies there. */
  void unmap(DmaRegion region);

  /**
   * Sets doorbells aside for a queue pair.
   *
   * @param id the process's name for it
   * @param depth most commands in flight
   * @return page and bell, for the process; still owned by this object
   */
  List<Fd> reserve(int id, int depth);

  /** Creates a queue pair that was reserved, with its rings at these DMA addresses. */
  void create(int id, long sqIova, long cqIova);

  /** Deletes a queue pair: when this returns, no command of it is under way. */
  void delete(int id);

  /** Asks the drive to abort a command. */
  void abort(int id, int cid);

  /** What the process did wrong, or what befell the drive, as far as is known; else empty. */
  String fault();

  /** Gives everything back, queues first, then memory; what fails is logged. */
  @Override
  void close();
}
