package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whoever gives queue pairs of a drive to this process: the driver of a controller, the connection
 * to a broker, or the kernel's driver. What the three have in common is here: the state and why it
 * was entered, memory that the drive can reach, and what is known of namespaces.
 *
 * <p>Control plane: safe for several threads, blocking, each wait with a deadline. The data path
 * reads what it needs without a lock.
 */
public abstract sealed class QueueOwner implements AutoCloseable
    permits NvmeController, BrokeredDrive, KernelController {
  private static final Logger LOG = LoggerFactory.getLogger(QueueOwner.class);

  private final NvmeOptions options;
  private final Object stateLock = new Object();
  private final ControllerLogs logs = new ControllerLogs(this);
  private final ControllerFeatures features = new ControllerFeatures(this);
  private volatile DmaWindows windows = DmaWindows.NONE;
  private volatile ControllerState state;
  private volatile String failure = "";
  private volatile int maxTransferBytes = Prp.MAX_TRANSFER_BYTES;
  private volatile int sglSupport;

  /** Index is the NSID. */
  private volatile NamespaceLimits[] limits = noLimits();

  QueueOwner(NvmeOptions options, ControllerState first) {
    this.options = options;
    state = first;
  }

  /** {@return a name for people and logs} */
  public abstract String name();

  /** {@return the state of this process's share of the drive} */
  public final ControllerState state() {
    return state;
  }

  /** {@return why it failed or is gone, empty if it has not and is not} */
  public final String failure() {
    return failure;
  }

  /** {@return the longest transfer of one command in bytes: the smaller of MDTS and 4 MiB} */
  public final int maxTransferBytes() {
    return maxTransferBytes;
  }

  /** {@return how many I/O queue pairs this process may have} */
  public abstract int maxQueuePairs();

  /** {@return the blocks that this process may use: all, unless a broker grants fewer} */
  public NamespaceRange range() {
    return NamespaceRange.EVERYTHING;
  }

  /** {@return what becomes readable when the drive goes; then call {@link #checkPresence}} */
  public abstract WakeSource removalSource();

  /**
   * Looks, without asking the drive, whether it is still there. Any thread.
   *
   * @return whether it is, and has not failed; if it is not, polling its queue pairs gives GONE for
   *     each command
   */
  public abstract boolean checkPresence();

  /**
   * Gives the drive access to memory of this process. Queue pairs can use it from then on.
   *
   * @param memory closed by the caller, after it was unmapped or this was closed
   */
  public final synchronized void map(DmaMemory memory) {
    requireAlive();
    windows = windows.with(memory.segment(), grant(memory));
  }

  /**
   * Takes the access back. No command may be in flight that names the memory. A device that {@link
   * ControllerState#HUNG hangs} keeps it until it goes.
   *
   * @param memory that was mapped
   */
  public final synchronized void unmap(DmaMemory memory) {
    DmaRegion region = windows.regionOf(memory.segment());
    windows = windows.without(memory.segment());
    revoke(region);
  }

  /**
   * {@return the DMA address of a part of a segment, or -1 if the drive cannot reach it}
   *
   * @param segment memory
   * @param offset of the part, in bytes
   * @param lengthBytes its size
   */
  public final long iovaOf(MemorySegment segment, long offset, long lengthBytes) {
    return windows.iovaOf(segment, offset, lengthBytes);
  }

  /**
   * Creates a private I/O queue pair that is polled: it raises no interrupts.
   *
   * @param depth most commands in flight, 1 to {@link QueuePair#MAX_DEPTH} and no more than the
   *     drive allows
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws NvmeException if there are no more, or it is refused
   * @throws io.twinspan.linux.TwinspanException likewise, from the kernel's driver
   */
  public final <R> QueuePair<R> createQueuePair(int depth, CompletionHandler<? super R> handler) {
    return createQueuePair(depth, false, handler);
  }

  /**
   * Creates a private I/O queue pair.
   *
   * @param depth most commands in flight, 1 to {@link QueuePair#MAX_DEPTH} and no more than the
   *     drive allows
   * @param interrupts whether {@link QueuePair#wakeSource} is to work. With a real controller that
   *     costs an interrupt for each completion, also when nobody sleeps; a drive of the shelf asks
   *     before it raises one
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws NvmeException if there are no more, or it is refused
   * @throws io.twinspan.linux.TwinspanException likewise, from the kernel's driver
   */
  public abstract <R> QueuePair<R> createQueuePair(
      int depth, boolean interrupts, CompletionHandler<? super R> handler);

  /** {@return a copy of the Identify Controller data structure} */
  public final IdentifyController identifyController() {
    return new IdentifyController().wrap(identify(IdentifyCns.CONTROLLER, 0), 0);
  }

  /**
   * {@return a copy of the Identify Namespace data structure, that of the whole namespace}
   *
   * @param nsid namespace, from 1
   */
  public final synchronized IdentifyNamespace identifyNamespace(int nsid) {
    IdentifyNamespace namespace =
        new IdentifyNamespace().wrap(identify(IdentifyCns.NAMESPACE, nsid), 0);
    if (nsid >= 1 && nsid <= NvmeController.MAX_NSID) {
      limit(nsid, NamespaceLimits.of(namespace));
    }
    return namespace;
  }

  /**
   * {@return the identifiers of the active namespaces up to {@value NvmeController#MAX_NSID},
   * ascending}
   */
  public final int[] activeNamespaces() {
    // One list takes 1024 of them, so no second one can hold any that we want.
    int[] list = identify(IdentifyCns.ACTIVE_NAMESPACES, 0).toArray(LittleEndian.ANY_INT);
    int count = 0;
    while (count < list.length && list[count] > 0 && list[count] <= NvmeController.MAX_NSID) {
      count++;
    }
    return Arrays.copyOf(list, count);
  }

  /**
   * {@return the names of a namespace}
   *
   * @param nsid namespace, from 1
   */
  public final List<NamespaceDescriptor> namespaceDescriptors(int nsid) {
    return NamespaceDescriptor.readFrom(identify(IdentifyCns.NAMESPACE_DESCRIPTORS, nsid));
  }

  /** {@return the log pages} */
  public final ControllerLogs logs() {
    return logs;
  }

  /** {@return the features} */
  public final ControllerFeatures features() {
    return features;
  }

  /**
   * Sends an administrative command without data; waits for its completion.
   *
   * @param command its CID does not matter
   * @return the completion, whatever its status
   * @throws NvmeException if there is no answer
   */
  public Completion admin(SubmissionEntry command) {
    return admin(command, MemorySegment.NULL);
  }

  /**
   * Sends an administrative command with data; waits for its completion.
   *
   * @param command its CID and data pointers do not matter
   * @param data at most 8192 bytes, of any kind of memory: goes to the controller, and takes what
   *     it wrote
   * @return the completion, whatever its status
   * @throws NvmeException if there is no answer
   */
  public abstract Completion admin(SubmissionEntry command, MemorySegment data);

  /** Gives everything back and lets go of the drive. Close queue pairs first, or stop polling. */
  @Override
  public abstract void close();

  @Override
  public String toString() {
    return name() + " " + state;
  }

  /** How to behave. */
  final NvmeOptions options() {
    return options;
  }

  /** What the data path needs to know of a namespace, which need not be there. */
  final NamespaceLimits limits(int nsid) {
    NamespaceLimits[] all = limits;
    return nsid >= 1 && nsid < all.length ? all[nsid] : NamespaceLimits.NONE;
  }

  /** Whether I/O commands may name their data by SGLs. */
  final boolean takesSgls() {
    return sglSupport != 0;
  }

  /** Bits of a DMA address that must be 0: dwords with PRPs, but SGLs may allow any byte. */
  final int dataAlignmentMask() {
    return sglSupport == IdentifyController.SGLS_ANY_ALIGNMENT ? 0 : 3;
  }

  /** Whether it has neither failed nor gone nor been closed. */
  final boolean isLiving() {
    return state.isLiving();
  }

  /** Commands will not be answered any more. Any thread, never blocks; the first one counts. */
  final void fail(ControllerState next, String reason) {
    synchronized (stateLock) {
      if (!state.mayBecome(next)) {
        return;
      }
      failure = state.isLiving() ? reason : failure + ", then " + reason;
      state = next;
    }
    LOG.warn("{} is {}: {}", name(), next, reason);
    afterFailure(next);
  }

  /** Asks in the background for a command to be aborted; the queue pair is told of the end. */
  void abort(QueueEngine<?> queue, int cid) {
    options
        .background()
        .execute(() -> {
          try {
            abort(queue.id(), cid);
          } finally {
            queue.abortEnded();
          }
        });
  }

  /** Lets go of a queue pair, and settles it if the device touches its memory no more. */
  abstract void release(QueuePair<?> pair);

  /** What follows from having become FAILED or GONE. Any thread; does not block. */
  abstract void afterFailure(ControllerState now);

  /** Makes memory reachable for the drive. */
  abstract DmaRegion grant(DmaMemory memory);

  /** Takes that back, as far as there is somebody to take it from. */
  abstract void revoke(DmaRegion region);

  /** Throws what says why nothing can be asked for any more, if so. */
  void requireAlive() {
    ControllerState now = state;
    switch (now) {
      case GONE -> throw new DeviceGoneException(name() + " is gone: " + failure);
      case HUNG -> throw new DeviceHungException(name() + " hangs: " + failure);
      case FAILED, STOPPED -> throw new NvmeException(name() + " has failed: " + failure);
      case CLOSED -> throw new IllegalStateException(name() + " is closed");
      case ATTACHED,
          DISABLING,
          DISABLED,
          ENABLING,
          IDENTIFYING,
          READY,
          SHUTTING_DOWN,
          SHUT_DOWN -> {}
    }
  }

  /** Enters a state that is no failure. Returns whether it may be entered from the present one. */
  final boolean become(ControllerState next) {
    synchronized (stateLock) {
      if (!state.mayBecome(next)) {
        return false;
      }
      LOG.debug("{}: {} -> {}", name(), state, next);
      state = next;
      return true;
    }
  }

  /** It is being brought up anew. */
  final void forgetFailure() {
    failure = "";
  }

  /** Nothing is known of namespaces any more. */
  final synchronized void forgetNamespaces() {
    limits = noLimits();
  }

  /** Sets what is known of a namespace. */
  final synchronized void limit(int nsid, NamespaceLimits namespace) {
    NamespaceLimits[] changed = limits.clone();
    changed[nsid] = namespace;
    limits = changed;
  }

  /** Sets the longest transfer that MDTS and our PRP lists allow, and which SGLs are taken. */
  final void limitTransfers(IdentifyController identity, long cap) {
    int mdts = identity.maxDataTransferSize();
    int mostShift = Integer.numberOfTrailingZeros(Prp.MAX_TRANSFER_BYTES);
    int shift = mdts + ControllerRegisters.minPageShift(cap);
    limitTransfers(1 << (mdts == 0 ? mostShift : Math.min(shift, mostShift)));
    int sgls = identity.sglSupport() & IdentifyController.SGLS_MASK;
    sglSupport = sgls == IdentifyController.SGLS_MASK ? 0 : sgls; // 11b is reserved
  }

  /** Sets the longest transfer. */
  final void limitTransfers(int lengthBytes) {
    maxTransferBytes = lengthBytes;
  }

  /** Throws if no queue pair can have so many commands in flight. */
  static void requireDepth(int depth, long cap) {
    int most = Math.min(QueuePair.MAX_DEPTH, ControllerRegisters.maxQueueEntries(cap) - 1);
    if (depth < 1 || depth > most) {
      throw new IllegalArgumentException("queue depth %d is not 1 to %d".formatted(depth, most));
    }
  }

  /** Asks for a command to be aborted, and waits for the answer; nothing is thrown. */
  void abort(int queueId, int cid) {
    synchronized (this) {
      if (state != ControllerState.READY) {
        return;
      }
      try {
        Completion completion =
            admin(AdminQueue.command(AdminOpcode.ABORT, 0).cdw(10, queueId | cid << 16));
        boolean aborted = completion.isSuccess() && (completion.result() & 1) == 0;
        LOG.warn(
            "{}: queue pair {}, CID {} was not answered in time, and {}",
            name(),
            queueId,
            cid,
            aborted ? "aborted" : "could not be aborted");
      } catch (NvmeException e) {
        LOG.warn("{}: no Abort of queue pair {}, CID {}", name(), queueId, cid, e);
      }
    }
  }

  private MemorySegment identify(int cns, int nsid) {
    MemorySegment data = MemorySegment.ofArray(new byte[IdentifyController.BYTES]);
    SubmissionEntry command = AdminQueue.command(AdminOpcode.IDENTIFY, nsid).cdw(10, cns);
    admin(command, data).orThrow("Identify CNS 0x%02x of %s".formatted(cns, name()));
    return data;
  }

  private static NamespaceLimits[] noLimits() {
    NamespaceLimits[] limits = new NamespaceLimits[NvmeController.MAX_NSID + 1];
    Arrays.fill(limits, NamespaceLimits.NONE);
    return limits;
  }
}
