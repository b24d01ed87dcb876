package io.twinspan.shelf;

import io.twinspan.linux.Fd;
import io.twinspan.linux.TwinspanException;
import org.jspecify.annotations.Nullable;

/**
 * Carries transfers between files and clients' memory out while the drive does other things. The
 * drive's agent thread calls every method; nothing is allocated for a transfer.
 */
interface TransferEngine extends AutoCloseable {
  /** Most transfers at a time. */
  int capacity();

  /** Whether a write gains by it even while there is nothing else to do. */
  boolean helpsSingleWrites();

  /**
   * Begins one with the next {@link #submit}.
   *
   * @param transfer which stays as it is until {@link #next} returns it
   * @param file what it reads or writes
   */
  void begin(Transfer transfer, Fd file);

  /** Gives away what was begun; returns whether all has gone. */
  boolean submit();

  /** A transfer that has ended, or null. */
  @Nullable Transfer next();

  /** What became of the transfer that {@link #next} returned: 0 or a negative errno. */
  int result();

  /**
   * Waits until a transfer has ended, or perhaps less long; one must be on its way.
   *
   * @throws TwinspanException if that can't be waited for
   */
  void await();

  /** Frees what it holds; nothing is on its way any more. */
  @Override
  void close();
}
