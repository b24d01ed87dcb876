package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.TwinspanNvme;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This process's share of a drive whose admin queue Twinspan's kernel driver keeps: private I/O
 * queue pairs, and admin commands as far as the driver's policy allows them. Other processes may
 * have theirs at the same time; docs/kernel-driver.md says what keeps them apart.
 *
 * <p>Control plane: safe for several threads, blocking. A queue pair whose commands are not
 * answered is deleted together with all others of this object; those of other processes go on. When
 * the drive goes, or the driver resets it, all is lost and this must be opened anew.
 */
public final class KernelController extends QueueOwner implements AutoCloseable {
  /** What names of targets begin with, such as {@code kernel:/dev/twinspan-nvme0}. */
  public static final String SCHEME = "kernel:";

  private static final Logger LOG = LoggerFactory.getLogger(KernelController.class);
  private static final int STATUS_MASK = 0x7ff;
  private static final int DO_NOT_RETRY = 1 << 14;

  private final TwinspanNvme device;
  private final NvmeOptions options;
  private final TwinspanNvme.Info info;
  private final Object stateLock = new Object();
  private final Map<QueuePair<?>, KernelQueue> queuePairs = new ConcurrentHashMap<>();
  private final int maxTransferBytes;
  private final int sglSupport;

  /** Index is the NSID. */
  private volatile NamespaceLimits[] limits;

  private volatile DmaWindows windows = DmaWindows.NONE;
  private volatile ControllerState state = ControllerState.READY;
  private volatile String failure = "";

  private KernelController(TwinspanNvme device, NvmeOptions options) {
    this.device = device;
    this.options = options;
    info = device.info();
    limits = new NamespaceLimits[NvmeController.MAX_NSID + 1];
    Arrays.fill(limits, NamespaceLimits.NONE);
    IdentifyController identity = identifyController();
    int mdts = identity.maxDataTransferSize();
    int pageShift = ControllerRegisters.minPageShift(info.cap());
    int mostShift = Integer.numberOfTrailingZeros(Prp.MAX_TRANSFER_BYTES);
    maxTransferBytes = 1 << (mdts == 0 ? mostShift : Math.min(mdts + pageShift, mostShift));
    int sgls = identity.sglSupport() & IdentifyController.SGLS_MASK;
    sglSupport = sgls == IdentifyController.SGLS_MASK ? 0 : sgls;
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

  /** {@return the device's path} */
  public String name() {
    return device.toString();
  }

  /** {@return READY, FAILED, STOPPED, GONE or CLOSED} */
  public ControllerState state() {
    return state;
  }

  /** {@return why it failed or is gone, empty if it has not and is not} */
  public String failure() {
    return failure;
  }

  /** {@return the most queue pairs of one process} */
  public int maxQueuePairs() {
    return info.processQueuePairs();
  }

  /** {@return what becomes readable when the drive goes; then call {@link #checkPresence}} */
  public WakeSource removalSource() {
    return WakeSource.readable(device.fd());
  }

  /** {@return the longest transfer of one command in bytes: the smaller of MDTS and 4 MiB} */
  @Override
  public int maxTransferBytes() {
    return maxTransferBytes;
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

  /**
   * Gives the drive access to memory of this process, which is pinned and counts for
   * RLIMIT_MEMLOCK.
   *
   * @param memory closed by the caller, after it was unmapped or this was closed
   */
  public synchronized void map(DmaMemory memory) {
    requireAlive();
    long iova = device.register(memory.segment());
    windows = windows.with(memory.segment(), new DmaRegion(iova, memory.lengthBytes()));
  }

  /**
   * Takes the access back; commands that still name the memory fail.
   *
   * @param memory that was mapped
   */
  public synchronized void unmap(DmaMemory memory) {
    DmaRegion region = windows.regionOf(memory.segment());
    windows = windows.without(memory.segment());
    var _ = device.unregister(region.iova());
  }

  @Override
  public long iovaOf(MemorySegment segment, long offset, long lengthBytes) {
    return windows.iovaOf(segment, offset, lengthBytes);
  }

  /**
   * Creates an I/O queue pair that is polled: the drive raises no interrupts for it.
   *
   * @param depth most commands in flight, 1 to {@link QueuePair#MAX_DEPTH} and less than CAP.MQES
   *     allows
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws ErrnoException if there are no more, or this process may have no more
   */
  public <R> QueuePair<R> createQueuePair(int depth, CompletionHandler<? super R> handler) {
    return createQueuePair(depth, false, handler);
  }

  /**
   * Creates an I/O queue pair.
   *
   * @param depth most commands in flight, 1 to {@link QueuePair#MAX_DEPTH} and less than CAP.MQES
   *     allows
   * @param interrupts whether {@link QueuePair#wakeSource} is to work, which costs an interrupt for
   *     each completion
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws ErrnoException if there are no more, or this process may have no more
   */
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, boolean interrupts, CompletionHandler<? super R> handler) {
    requireAlive();
    int most = Math.min(QueuePair.MAX_DEPTH, ControllerRegisters.maxQueueEntries(info.cap()) - 1);
    if (depth < 1 || depth > most) {
      throw new IllegalArgumentException("queue depth %d is not 1 to %d".formatted(depth, most));
    }
    KernelQueue queue = new KernelQueue(device, depth, maxTransferBytes, interrupts);
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

  /** {@return a copy of the Identify Controller data structure} */
  public IdentifyController identifyController() {
    return new IdentifyController().wrap(identify(IdentifyCns.CONTROLLER, 0), 0);
  }

  /**
   * {@return a copy of the Identify Namespace data structure}
   *
   * @param nsid namespace, from 1
   */
  public synchronized IdentifyNamespace identifyNamespace(int nsid) {
    IdentifyNamespace namespace =
        new IdentifyNamespace().wrap(identify(IdentifyCns.NAMESPACE, nsid), 0);
    if (nsid >= 1 && nsid <= NvmeController.MAX_NSID) {
      NamespaceLimits[] changed = limits.clone();
      changed[nsid] = NamespaceLimits.of(namespace);
      limits = changed;
    }
    return namespace;
  }

  /** {@return the identifiers of the active namespaces up to 1024, ascending} */
  public int[] activeNamespaces() {
    int[] list = identify(IdentifyCns.ACTIVE_NAMESPACES, 0).toArray(LittleEndian.ANY_INT);
    int count = 0;
    while (count < list.length && list[count] > 0 && list[count] <= NvmeController.MAX_NSID) {
      count++;
    }
    return Arrays.copyOf(list, count);
  }

  /**
   * Has an administrative command without data carried out.
   *
   * @param command of which opcode, NSID and dwords 10 to 15 count
   * @return the completion, whatever its status
   * @throws NvmeException if the driver's policy does not allow it, or there is no answer
   */
  public Completion admin(SubmissionEntry command) {
    return admin(command, MemorySegment.NULL);
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
  public Completion admin(SubmissionEntry command, MemorySegment data) {
    requireAlive();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment entry = arena.allocate(SubmissionEntry.BYTES, Long.BYTES);
      command.copyTo(entry, 0);
      MemorySegment copy = arena.allocate(data.byteSize(), Long.BYTES).copyFrom(data);
      TwinspanNvme.Answer answer = device.admin(entry, copy);
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
    if (state == ControllerState.CLOSED) {
      return;
    }
    settleAll();
    become(ControllerState.CLOSED);
    device.close();
  }

  @Override
  public String toString() {
    return name() + " " + state;
  }

  @Override
  NvmeOptions options() {
    return options;
  }

  @Override
  NamespaceLimits limits(int nsid) {
    NamespaceLimits[] all = limits;
    return nsid >= 1 && nsid < all.length ? all[nsid] : NamespaceLimits.NONE;
  }

  @Override
  boolean takesSgls() {
    return sglSupport != 0;
  }

  @Override
  int dataAlignmentMask() {
    return sglSupport == IdentifyController.SGLS_ANY_ALIGNMENT ? 0 : 3;
  }

  @Override
  boolean isLiving() {
    return state.isLiving();
  }

  @Override
  void fail(ControllerState next, String reason) {
    synchronized (stateLock) {
      if (!state.mayBecome(next)) {
        return;
      }
      failure = state.isLiving() ? reason : failure + ", then " + reason;
      state = next;
    }
    LOG.warn("{} is {}: {}", name(), next, reason);
    if (next == ControllerState.FAILED) {
      options.background().execute(this::stop);
    } else {
      queuePairs.keySet().forEach(pair -> pair.engine().settle());
    }
  }

  @Override
  void abort(QueueEngine<?> queue, int cid) {
    options
        .background()
        .execute(() -> {
          try {
            int queueAndCommand = queue.id() | cid << 16;
            SubmissionEntry command = AdminQueue.command(AdminOpcode.ABORT, 0);
            Completion completion = admin(command.cdw(10, queueAndCommand));
            LOG.warn("{}: Abort of CID {}, queue pair {}: {}", name(), cid, queue.id(), completion);
          } catch (NvmeException e) {
            LOG.warn("{}: no Abort of CID {}, queue pair {}", name(), cid, queue.id(), e);
          } finally {
            queue.abortEnded();
          }
        });
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
    if (state == ControllerState.FAILED) {
      settleAll();
      become(ControllerState.STOPPED);
    }
  }

  private void settleAll() {
    queuePairs.forEach((pair, queue) -> {
      queue.delete();
      pair.engine().settle();
    });
  }

  private void become(ControllerState next) {
    synchronized (stateLock) {
      if (state.mayBecome(next)) {
        state = next;
      }
    }
  }

  private void requireAlive() {
    ControllerState now = state;
    if (now == ControllerState.CLOSED) {
      throw new IllegalStateException(name() + " is closed");
    }
    if (now == ControllerState.GONE) {
      throw new DeviceGoneException(name() + " is gone: " + failure);
    }
    if (!now.isLiving()) {
      throw new NvmeException(name() + " has failed: " + failure);
    }
  }

  private MemorySegment identify(int cns, int nsid) {
    MemorySegment data = MemorySegment.ofArray(new byte[IdentifyController.BYTES]);
    SubmissionEntry command = AdminQueue.command(AdminOpcode.IDENTIFY, nsid).cdw(10, cns);
    admin(command, data).orThrow("Identify CNS 0x%02x of %s".formatted(cns, name()));
    return data;
  }
}
