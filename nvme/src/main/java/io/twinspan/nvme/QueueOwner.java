package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;

/**
 * What a queue pair needs of whoever gave it to this process: the driver of a controller, or the
 * connection to a broker.
 */
abstract class QueueOwner {
  /** How to behave. */
  abstract NvmeOptions options();

  /** The longest transfer of one command in bytes. */
  public abstract int maxTransferBytes();

  /** What the data path needs to know of a namespace, which need not be there. */
  abstract NamespaceLimits limits(int nsid);

  /** The DMA address of a part of a segment, or {@link DmaWindows#UNMAPPED}. */
  public abstract long iovaOf(MemorySegment segment, long offset, long lengthBytes);

  /** Whether I/O commands may name their data by SGLs. */
  abstract boolean takesSgls();

  /** Bits of a DMA address that must be 0. */
  abstract int dataAlignmentMask();

  /** Whether it has neither failed nor gone nor been closed. */
  abstract boolean isLiving();

  /** Looks, without asking anybody, whether the device is still there, and returns that. */
  public abstract boolean checkPresence();

  /** Commands will not be answered any more. Any thread, never blocks; the first one counts. */
  abstract void fail(ControllerState next, String reason);

  /** Asks in the background for a command to be aborted; the queue pair is told of the end. */
  abstract void abort(QueueEngine<?> queue, int cid);

  /** Lets go of a queue pair, and settles it if the device touches its memory no more. */
  abstract void release(QueuePair<?> pair);
}
