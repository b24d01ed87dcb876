package io.twinspan.nvme;

import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.SystemClock;
import java.time.Duration;
import java.util.concurrent.Executor;

/**
 * How a driver behaves.
 *
 * @param clock time for deadlines
 * @param adminTimeout longest wait for an administrative command; then the controller counts as
 *     failed
 * @param ioTimeout longest time that an I/O command may take; then it is aborted, and if it is not
 *     answered within {@code adminTimeout} more, the controller counts as failed
 * @param shutdownTimeout longest wait for CSTS.SHST at a shutdown
 * @param maxQueuePairs I/O queue pairs to ask for, 1 to 64
 * @param shadowDoorbells whether queue pairs may leave their doorbells in memory of this process
 *     where the controller offers that: only if nobody else rings doorbells of the controller
 * @param background stops a controller that has failed, which may block for seconds: not for the
 *     thread that noticed it
 */
public record NvmeOptions(
    Clock clock,
    Duration adminTimeout,
    Duration ioTimeout,
    Duration shutdownTimeout,
    int maxQueuePairs,
    boolean shadowDoorbells,
    Executor background) {
  /**
   * 5 s for administrative commands and shutdown, 30 s for I/O, 8 queue pairs, shadow doorbells,
   * virtual threads in the background.
   */
  public static final NvmeOptions DEFAULTS =
      new NvmeOptions(
          SystemClock.INSTANCE,
          Duration.ofSeconds(5),
          Duration.ofSeconds(30),
          Duration.ofSeconds(5),
          8,
          true,
          Thread::startVirtualThread);

  /** Checks the limits. */
  public NvmeOptions {
    if (maxQueuePairs < 1 || maxQueuePairs > 64) {
      throw new IllegalArgumentException("maxQueuePairs " + maxQueuePairs + " is not 1 to 64");
    }
  }

  /** {@return the same with another {@link #ioTimeout}} */
  public NvmeOptions withIoTimeout(Duration timeout) {
    return new NvmeOptions(
        clock, adminTimeout, timeout, shutdownTimeout, maxQueuePairs, shadowDoorbells, background);
  }
}
