package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.TwinspanNvme;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * This process's share of a drive whose admin queue Twinspan's kernel driver keeps: private I/O
 * queue pairs, and admin commands as far as the driver's policy allows them. Other processes may
 * have theirs at the same time; docs/kernel-driver.md says what keeps them apart.
 *
 * <p>Control plane: safe for several threads, blocking. A queue pair whose commands are not
 * answered is deleted together with all others of this object; those of other processes go on. When
 * the drive goes, or the driver resets it, all is lost and this must be opened anew.
 */
public final class KernelController extends QueueOwner {
  /** What names of targets begin with, such as {@code kernel:/dev/twinspan-nvme0}. */
  public static final String SCHEME = "kernel:";

  private static final int STATUS_MASK = 0x7ff;
  private static final int DO_NOT_RETRY = 1 << 14;

  private final TwinspanNvme device;
  private final TwinspanNvme.Info info;
  private final Map<QueuePair<?>, KernelQueue> queuePairs = new ConcurrentHashMap<>();

  private KernelController(TwinspanNvme device, NvmeOptions options) {
    super(options, ControllerState.READY);
    this.device = device;
    info = device.info();
    limitTransfers(identifyController(), info.cap());
    for (int nsid : activeNamespaces()) {
      var _ = identifyNamespace(nsid);
    }
  }

  /**
   * Opens a drive.
   *
   * @param path such as {@code /dev/twinspan-nvme0}
   * @param options of which the I/O timeout, the clock and the background count
   * @throws io.twinspan.linux.TwinspanException if it is not there, this user may not open it, or
   *     it is something else
   */
  public static KernelController open(Path path, NvmeOptions options) {
    TwinspanNvme device = TwinspanNvme.open(path);
    try {
      return new KernelController(device, options);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return device.toString();
  }

  @Override
  public int maxQueuePairs() {
    return info.processQueuePairs();
  }

  @Override
  public WakeSource removalSource() {
    return WakeSource.readable(device.fd());
  }

  /**
   * Asks the driver whether the drive is still there, and this process's share of it too.
   *
   * @return whether it is, and has not failed; if it is not, polling its queue pairs gives GONE for
   *     each command
   */
  @Override
  public boolean checkPresence() {
    if (isLiving()) {
      try {
        if ((device.info().csts() & ControllerRegisters.CSTS_FATAL) != 0) {
          fail(ControllerState.FAILED, "fatal status");
        }
      } catch (ErrnoException e) {
        fail(ControllerState.GONE, "the drive has gone, or was reset");
      }
    }
    return isLiving();
  }

  @Override
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, boolean interrupts, CompletionHandler<? super R> handler) {
    requireAlive();
    requireDepth(depth, info.cap());
    KernelQueue queue = new KernelQueue(device, depth, maxTransferBytes(), interrupts);
    try {
      QueueEngine<R> engine =
          new QueueEngine<>(
              this,
              name(),
              queue.id(),
              depth,
              queue.doorbells(),
              queue.event(),
              queue.memory(),
              handler);
      QueuePair<R> pair = new QueuePair<>(this, engine);
      queuePairs.put(pair, queue);
      if (!isLiving()) {
        pair.engine().settle(); // it went just now, and did not find the queue pair
      }
      return pair;
    } catch (RuntimeException e) {
      queue.discard();
      throw e;
    }
  }

  /**
   * Has an administrative command carried out.
   *
   * @param command of which opcode, NSID and dwords 10 to 15 count
   * @param data at most {@link TwinspanNvme#ADMIN_BYTES}: goes to the controller, or takes what it
   *     wrote, as bits 0 and 1 of the opcode say
   * @return the completion, whatever its status
   * @throws NvmeException if the driver's policy does not allow it, or there is no answer
   */
  @Override
  public Completion admin(SubmissionEntry command, MemorySegment data) {
    requireAlive();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment entry = arena.allocate(SubmissionEntry.BYTES, Long.BYTES);
      command.copyTo(entry, 0);
      MemorySegment copy = arena.allocate(data.byteSize(), Long.BYTES).copyFrom(data);
      TwinspanNvme.Answer answer = fileFor(command).admin(entry, copy);
      data.copyFrom(copy);
      boolean doNotRetry = (answer.status() & DO_NOT_RETRY) != 0;
      return new Completion(answer.status() & STATUS_MASK, answer.result(), doNotRetry);
    } catch (ErrnoException e) {
      String what = "%s of %s".formatted(AdminOpcode.name(command.opcode()), name());
      switch (e.errno()) {
        case Errno.EPERM ->
            throw new NvmeException(what + " is not allowed by the driver's policy", e);
        case Errno.ENODEV -> {
          fail(ControllerState.GONE, "the drive has gone, or was reset");
          throw new DeviceGoneException(what + ": the drive has gone, or was reset");
        }
        default -> throw new NvmeException(what, e);
      }
    }
  }

  /** Deletes all queue pairs and lets go of the drive. Stop polling them before. */
  @Override
  public synchronized void close() {
    if (state() == ControllerState.CLOSED) {
      return;
    }
    settleAll();
    var _ = become(ControllerState.CLOSED);
    device.close();
  }

  @Override
  void afterFailure(ControllerState now) {
    if (now == ControllerState.FAILED) {
      options().background().execute(this::stop);
    } else {
      queuePairs.keySet().forEach(pair -> pair.engine().settle());
    }
  }

  /** The memory is pinned, and counts for RLIMIT_MEMLOCK. */
  @Override
  DmaRegion grant(DmaMemory memory) {
    return new DmaRegion(device.register(memory.segment()), memory.lengthBytes());
  }

  @Override
  void revoke(DmaRegion region) {
    var _ = device.unregister(region.iova());
  }

  /** The driver aborts commands only for the file whose queue pair they are in. */
  private TwinspanNvme fileFor(SubmissionEntry command) {
    if (command.opcode() == AdminOpcode.ABORT) {
      for (KernelQueue queue : queuePairs.values()) {
        if (queue.id() == (command.cdw(10) & 0xffff)) {
          return queue.device();
        }
      }
    }
    return device;
  }

  @Override
  synchronized void release(QueuePair<?> pair) {
    KernelQueue queue = queuePairs.remove(pair);
    if (queue != null) {
      queue.delete();
      pair.engine().settle();
    }
  }

  /** Deletes the queues after a failure, so that their commands can be answered. */
  private synchronized void stop() {
    if (state() == ControllerState.FAILED) {
      settleAll();
      var _ = become(ControllerState.STOPPED);
    }
  }

  private void settleAll() {
    queuePairs.forEach((pair, queue) -> {
      queue.delete();
      pair.engine().settle();
    });
  }
}
