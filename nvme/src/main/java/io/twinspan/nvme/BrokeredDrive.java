package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A drive that a {@link Broker} lends to this process, which needs no rights but to open the
 * broker's socket. Queue pairs and memory are used as those of {@link NvmeController}:
 *
 * <pre>{@code
 * try (BrokeredDrive drive = BrokeredDrive.connect(Path.of("/run/drive"));
 *     DmaMemory memory = DmaMemory.allocate("mine", 1 << 20)) {
 *   drive.map(memory);
 *   try (QueuePair<String> queue = drive.createQueuePair(32, MyCode::completed)) {
 *     queue.write(1, 0, 8, memory.segment(), 0, "my first write");
 *     while (queue.inFlight() > 0) {
 *       queue.poll(32);
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Control plane: safe for several threads, blocking, each wait with a deadline. If the broker
 * ends or takes the drive back, every command in flight is answered with {@link Status#GONE}. A
 * broker that is killed may leave the drive touching memory that commands named for some moments
 * more, until the kernel or the shelf has noticed.
 */
public final class BrokeredDrive extends QueueOwner implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BrokeredDrive.class);

  /**
   * What this process may have.
   *
   * @param queuePairs most private queue pairs
   * @param depth most commands in flight in one of them
   * @param memoryBytes most memory that the drive can reach; that of queue pairs counts too
   * @param range the blocks that it may use
   * @param administrator whether it may change the drive by administrative commands
   */
  public record Grant(
      int queuePairs, int depth, long memoryBytes, NamespaceRange range, boolean administrator) {}

  private final BrokeredDevice device;
  private final NvmeOptions options;
  private final WakeSource removalSource;
  private final CopyOnWriteArrayList<QueuePair<?>> queuePairs = new CopyOnWriteArrayList<>();
  private final Object stateLock = new Object();
  private final Grant grant;
  private final int maxTransferBytes;
  private volatile NamespaceLimits[] limits = {};
  private volatile DmaWindows windows = DmaWindows.NONE;
  private volatile ControllerState state = ControllerState.READY;
  private volatile String failure = "";

  private BrokeredDrive(BrokeredDevice device, NvmeOptions options) {
    this.device = device;
    this.options = options;
    removalSource = WakeSource.readable(device.fd());
    BrokerMessage hello =
        device.exchange(
            BrokerMessage.HELLO,
            8,
            m -> m.u32(0, BrokerMessage.MAGIC).u32(4, BrokerMessage.VERSION),
            BrokerMessage.HELLO_BYTES);
    if (hello.u32(0) != BrokerMessage.MAGIC || hello.u32(4) != BrokerMessage.VERSION) {
      throw new NvmeException(
          "%s speaks version %d, we speak %d"
              .formatted(device.name(), hello.u32(4), BrokerMessage.VERSION));
    }
    maxTransferBytes = Math.clamp(hello.u32(8), Prp.PAGE_BYTES, Prp.MAX_TRANSFER_BYTES);
    NamespaceRange range =
        new NamespaceRange(hello.u32(32), hello.u64(40), hello.u64(48), hello.u32(36) != 0);
    grant = new Grant(hello.u32(12), hello.u32(16), hello.u64(24), range, hello.u32(20) != 0);
    limits = learnNamespaces();
  }

  /**
   * Connects to a broker, trying again while it is starting.
   *
   * @param socket its socket
   * @return the drive
   * @throws NvmeException if it does not let this process in
   */
  public static BrokeredDrive connect(Path socket) {
    return connect(socket, NvmeOptions.DEFAULTS);
  }

  /**
   * Connects to a broker, trying again while it is starting.
   *
   * @param socket its socket
   * @param options clock, time-outs and background threads are used
   * @return the drive
   * @throws NvmeException if it does not let this process in
   */
  public static BrokeredDrive connect(Path socket, NvmeOptions options) {
    BrokeredDevice device = new BrokeredDevice(socket, options.adminTimeout());
    try {
      return new BrokeredDrive(device, options);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  /** {@return a name for people and logs} */
  public String name() {
    return device.name();
  }

  /** {@return what this process may have} */
  public Grant grant() {
    return grant;
  }

  @Override
  public int maxTransferBytes() {
    return maxTransferBytes;
  }

  /** {@return why the drive is lost, empty if it is not} */
  public String failure() {
    return failure;
  }

  /** {@return what becomes readable when the broker goes; then call {@link #checkPresence}} */
  public WakeSource removalSource() {
    return removalSource;
  }

  /**
   * Gives the drive access to memory of this process. Queue pairs can use it from then on.
   *
   * @param memory closed by the caller, after it was unmapped or the drive closed
   */
  public synchronized void map(DmaMemory memory) {
    requireReady();
    DmaRegion region = device.map(memory.memfd(), memory.offset(), memory.lengthBytes());
    windows = windows.with(memory.segment(), region);
  }

  /**
   * Takes the access back. No command may be in flight that names the memory.
   *
   * @param memory that was mapped
   */
  public synchronized void unmap(DmaMemory memory) {
    DmaRegion region = windows.regionOf(memory.segment());
    windows = windows.without(memory.segment());
    if (isLiving()) {
      device.unmap(region);
    }
  }

  /**
   * Creates a private queue pair in memory of this process.
   *
   * @param depth most commands in flight, 1 to {@link Grant#depth}
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws NvmeException if the broker refuses, such as for a limit
   */
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, CompletionHandler<? super R> handler) {
    requireReady();
    int id = device.reserve(depth);
    QueuePair<R> pair;
    try {
      pair = new QueuePair<>(this, device, id, depth, DoorbellPage.DSTRD, null, handler);
    } catch (RuntimeException e) {
      giveUp(id);
      throw e;
    }
    try {
      device.create(id, pair.sqIova(), pair.cqIova());
    } catch (RuntimeException e) {
      giveUp(id);
      unmap(pair);
      pair.discard();
      throw e;
    }
    queuePairs.add(pair);
    if (state == ControllerState.GONE) {
      pair.engine().settle(); // it went just now, and did not find the queue pair in the list
    }
    return pair;
  }

  /** {@return a copy of the Identify Controller data structure} */
  public IdentifyController identifyController() {
    return new IdentifyController().wrap(identify(IdentifyCns.CONTROLLER, 0), 0);
  }

  /**
   * {@return a copy of the Identify Namespace data structure, that of the whole namespace}
   *
   * @param nsid namespace, from 1
   */
  public IdentifyNamespace identifyNamespace(int nsid) {
    return new IdentifyNamespace().wrap(identify(IdentifyCns.NAMESPACE, nsid), 0);
  }

  /**
   * Sends an administrative command; waits for its completion.
   *
   * @param command its CID and data pointers do not matter
   * @param data at most 8192 bytes, of any kind of memory: goes to the drive, and takes what it
   *     wrote
   * @return the drive's own completion; or that of the broker, Operation Denied (0x015), for a
   *     command that this process may not send
   * @throws NvmeException if there is no answer
   */
  public Completion admin(SubmissionEntry command, MemorySegment data) {
    int bytes = Math.toIntExact(data.byteSize());
    if (bytes > AdminQueue.DATA_BYTES) {
      throw new IllegalArgumentException(
          "%d bytes of data, an administrative command takes %d"
              .formatted(bytes, AdminQueue.DATA_BYTES));
    }
    synchronized (this) {
      requireReady();
      BrokerMessage reply =
          device.exchange(
              BrokerMessage.ADMIN,
              SubmissionEntry.BYTES + bytes,
              m -> {
                command.copyTo(m.buffer(), BrokerMessage.HEADER_BYTES);
                m.payload(SubmissionEntry.BYTES, bytes).copyFrom(data);
              },
              BrokerMessage.ADMIN_REPLY_BYTES + bytes);
      Completion completion = new Completion(reply.u32(0), reply.u32(4), reply.u32(8) != 0);
      if (completion.isSuccess() && !data.isReadOnly()) {
        data.copyFrom(reply.payload(BrokerMessage.ADMIN_REPLY_BYTES, bytes));
      }
      return completion;
    }
  }

  /**
   * Gives everything back, and waits until the broker says that the drive touches no memory of this
   * process any more; bounded by the administrative timeout. Close queue pairs first, or stop
   * polling them.
   */
  @Override
  public synchronized void close() {
    if (state == ControllerState.CLOSED) {
      return;
    }
    boolean free = awaitHangUp();
    for (QueuePair<?> pair : queuePairs) {
      if (free) {
        pair.engine().settle();
      } else {
        pair.engine().unsettle();
      }
    }
    synchronized (stateLock) {
      state = ControllerState.CLOSED;
    }
    device.close();
  }

  @Override
  public String toString() {
    return name() + " " + state;
  }

  /**
   * Looks, without asking the broker, whether the drive is still there. Any thread.
   *
   * @return whether it is; if it is not, polling the queue pairs gives GONE for each command
   */
  @Override
  public boolean checkPresence() {
    ControllerState now = state;
    boolean mayGo = now != ControllerState.GONE && now != ControllerState.CLOSED;
    if (mayGo && !device.isPresent()) {
      fail(ControllerState.GONE, "the broker has ended, or taken the drive back");
    }
    return isLiving();
  }

  @Override
  public long iovaOf(MemorySegment segment, long offset, long lengthBytes) {
    return windows.iovaOf(segment, offset, lengthBytes);
  }

  BrokeredDevice device() {
    return device;
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
    return false;
  }

  @Override
  int dataAlignmentMask() {
    return 3;
  }

  @Override
  boolean isLiving() {
    return state.isLiving();
  }

  /** FAILED: the broker is told to take everything back; it hangs up when it has. */
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
    if (next == ControllerState.GONE) {
      queuePairs.forEach(pair -> pair.engine().settle());
    } else {
      options.background().execute(device::disconnect);
    }
  }

  /** The broker's own driver aborts; all that is left to this process is to give up. */
  @Override
  void abort(QueueEngine<?> queue, int cid) {
    queue.abortEnded();
  }

  @Override
  synchronized void release(QueuePair<?> pair) {
    if (queuePairs.contains(pair)) {
      if (checkPresence()) {
        delete(pair);
      }
      if (state == ControllerState.FAILED && awaitHangUp()) {
        fail(ControllerState.GONE, "the broker has taken the drive back");
      }
      queuePairs.remove(pair);
    }
    device.forget(pair.id());
  }

  private void delete(QueuePair<?> pair) {
    try {
      device.delete(pair.id());
      pair.engine().settle();
      device.unmap(pair.region());
    } catch (DeviceGoneException e) {
      fail(ControllerState.GONE, String.valueOf(e.getMessage()));
    } catch (NvmeException e) {
      fail(ControllerState.FAILED, String.valueOf(e.getMessage()));
    }
  }

  private void giveUp(int id) {
    try {
      device.delete(id);
    } catch (NvmeException e) {
      LOG.debug("{}: queue {} is not given back", name(), id, e);
    }
    device.forget(id);
  }

  private void unmap(QueuePair<?> pair) {
    try {
      device.unmap(pair.region());
    } catch (NvmeException e) {
      LOG.debug("{}: memory of queue {} is not given back", name(), pair.id(), e);
    }
  }

  private boolean awaitHangUp() {
    device.disconnect();
    BoundedWait wait = new BoundedWait(options.clock(), options.adminTimeout());
    while (device.isPresent()) {
      if (!wait.pause()) {
        LOG.warn("{} does not let go", name());
        return false;
      }
    }
    return true;
  }

  private void requireReady() {
    if (!checkPresence()) {
      throw state == ControllerState.CLOSED
          ? new IllegalStateException(name() + " is closed")
          : new DeviceGoneException(name() + " is lost: " + failure);
    }
  }

  private NamespaceLimits[] learnNamespaces() {
    int[] list = identify(IdentifyCns.ACTIVE_NAMESPACES, 0).toArray(LittleEndian.ANY_INT);
    NamespaceLimits[] learned = new NamespaceLimits[NvmeController.MAX_NSID + 1];
    Arrays.fill(learned, NamespaceLimits.NONE);
    for (int i = 0; i < list.length && list[i] > 0 && list[i] <= NvmeController.MAX_NSID; i++) {
      learned[list[i]] = NamespaceLimits.of(identifyNamespace(list[i]));
    }
    return learned;
  }

  private MemorySegment identify(int cns, int nsid) {
    MemorySegment data = MemorySegment.ofArray(new byte[IdentifyController.BYTES]);
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, Long.BYTES);
    SubmissionEntry command = new SubmissionEntry().wrap(entry, 0);
    command.command(AdminOpcode.IDENTIFY, 0).nsid(nsid).cdw(10, cns);
    admin(command, data).orThrow("Identify CNS 0x%02x of %s".formatted(cns, name()));
    return data;
  }
}
