package io.twinspan.shelf;

import io.twinspan.nvme.Status;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The Reads and Writes of one drive that are on their way while it does other things.
 *
 * <p>A command that is on its way can't be called back: whoever takes a queue, memory or a right
 * away waits for its end with {@link #settle}. The drive's agent thread owns it; nothing is
 * allocated for a command.
 */
final class Transfers implements AutoCloseable {
  /**
   * How much may be on its way, but for the last one: another port's command must not wait long.
   */
  private static final long MOST_BYTES = 4 << 20;

  private static final Logger LOG = LoggerFactory.getLogger(Transfers.class);

  private final Subsystem subsystem;
  private final @Nullable TransferEngine engine;
  private final Transfer[] free;
  private int freeCount;
  private long bytes;

  /**
   * Nothing is on its way.
   *
   * @param subsystem the drive
   * @param engine what carries transfers out, closed with this object; null if nothing does
   */
  Transfers(Subsystem subsystem, @Nullable TransferEngine engine) {
    this.subsystem = subsystem;
    this.engine = engine;
    free = new Transfer[engine == null ? 0 : engine.capacity()];
    Arena arena = Arena.ofAuto();
    for (int i = 0; i < free.length; i++) {
      free[freeCount++] = new Transfer(i, arena);
    }
  }

  /** Whether a command may be fetched that might begin a transfer. */
  boolean hasRoom() {
    return engine == null || (freeCount > 0 && bytes < MOST_BYTES);
  }

  /**
   * Whether a command of a queue, just fetched, should go by a transfer if its medium can begin
   * one.
   */
  boolean helps(boolean write, SubmissionQueue queue) {
    return !write
        || underWay() > 0
        || queue.pending() > 0
        || (engine != null && engine.helpsSingleWrites());
  }

  /** How many are on their way. */
  int underWay() {
    return free.length - freeCount;
  }

  /**
   * Takes one to be begun by a medium; there is room.
   *
   * @param bytesToGo how much it will move
   */
  Transfer take(long bytesToGo) {
    bytes += bytesToGo;
    return free[--freeCount];
  }

  /** Has those carried out that were begun. */
  void submit() {
    if (underWay() > 0 && engine != null) {
      var _ = engine.submit(); // what has not gone goes with the next poll
    }
  }

  /** Completes the commands whose transfers have ended; returns how much was done. */
  int poll() {
    if (underWay() == 0 || engine == null) {
      return 0;
    }
    int work = engine.submit() ? 0 : 1;
    while (true) {
      Transfer transfer = engine.next();
      if (transfer == null) {
        return work;
      }
      work++;
      end(transfer, engine.result());
    }
  }

  /** Waits until nothing is on its way. */
  void settle() {
    while (underWay() > 0 && engine != null) {
      if (poll() == 0) {
        engine.await();
      }
    }
    subsystem.signal(); // those whose turn in this round is over, too
  }

  @Override
  public void close() {
    if (engine != null) {
      engine.close();
    }
  }

  private void end(Transfer transfer, int result) {
    free[freeCount++] = transfer; // nobody takes it before this method has ended
    bytes -= transfer.bytes();
    Deferral deferral = transfer.deferral();
    Namespace namespace = transfer.namespace();
    boolean write = transfer.isWrite();
    if (write) {
      namespace.flushes().written(); // not before: a flush that has begun need not cover it
    }
    int status = write ? Media.writeStatus(result) : Media.readStatus(result);
    if (status == Status.SUCCESS) {
      subsystem.moved(namespace, write, transfer.lba(), transfer.blocks());
    }
    deferral.moved();
    if (status == Status.SUCCESS && transfer.toBeStable() && !deferral.isCancelled()) {
      subsystem.makeStable(deferral, namespace);
      return;
    }
    try {
      if (deferral.finish(status)) {
        subsystem.deferrals().release(deferral);
      }
    } catch (InternalError e) { // the JVM's answer to SIGBUS
      subsystem.deferrals().release(deferral);
      LOG.warn("a completion is lost, as the memory of its queue has gone: {}", e.getMessage());
    }
  }
}
