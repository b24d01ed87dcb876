package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One NVMe controller, driven by this process: brings it up, owns its admin queue, hands out
 * private I/O queue pairs.
 *
 * <p>Control plane: safe for several threads, blocking, each wait with a deadline. When the
 * controller fails it is stopped in the background, and calls throw {@link NvmeException}; every
 * command in flight is answered with {@link Status#GONE} when it has stopped, or when the device
 * goes. The states are {@link ControllerState}.
 */
public final class NvmeController extends QueueOwner implements AutoCloseable {
  /** Namespaces with a higher identifier are not used. */
  public static final int MAX_NSID = 1024;

  private static final Logger LOG = LoggerFactory.getLogger(NvmeController.class);
  private static final int INTERRUPTS_ENABLED = 1 << 1;
  private static final int PHYSICALLY_CONTIGUOUS = 1;

  /** Enough of any log page for its events to count as noticed. */
  private static final int EVENT_LOG_BYTES = 64;

  // Asynchronous Event Configuration, and the bits of OAES that go with it.
  private static final int SMART_WARNINGS = 0x3f;
  private static final int NAMESPACE_ATTRIBUTE = 1 << 8;

  private final PciDevice device;
  private final NvmeOptions options;
  private final Object stateLock = new Object();
  private final CopyOnWriteArrayList<QueuePair<?>> queuePairs = new CopyOnWriteArrayList<>();
  private final BitSet queueIds = new BitSet();
  private final long cap;
  private final ControllerPower power;
  private final AdminQueue admin;
  private final ControllerLogs logs = new ControllerLogs(this);
  private final ControllerFeatures features = new ControllerFeatures(this);

  /** Index is the NSID. */
  private volatile NamespaceLimits[] limits = noLimits();

  private volatile DmaWindows windows = DmaWindows.NONE;
  private volatile ControllerState state = ControllerState.ATTACHED;
  private volatile String failure = "";
  private volatile int maxTransferBytes = Prp.MAX_TRANSFER_BYTES;
  private volatile int maxQueuePairs;
  private volatile int sglSupport;
  private int eventRequests;

  /** Where doorbells are left, if the controller was told of it since its last reset. */
  private @Nullable ShadowDoorbells shadowDoorbells;

  /** Memory for that, which stale queue pairs may use as long as the controller is open. */
  private @Nullable ShadowDoorbells shadowMemory;

  private NvmeController(PciDevice device, NvmeOptions options) {
    this.device = device;
    this.options = options;
    cap = device.read64(ControllerRegisters.CAP);
    if (cap == ControllerRegisters.ALL_ONES) {
      throw new DeviceGoneException(device.name() + " reads as all ones: it is not there");
    }
    if (!ControllerRegisters.hasNvmCommandSet(cap) || ControllerRegisters.minPageShift(cap) > 12) {
      throw new NvmeException(
          "%s has no NVM command set or no 4 KiB pages: CAP 0x%016x".formatted(device.name(), cap));
    }
    power = new ControllerPower(device, cap, options);
    int stride = ControllerRegisters.doorbellStride(cap);
    admin = new AdminQueue(this, device, stride, options.adminTimeout());
  }

  /**
   * Brings a controller up, whatever state it is in.
   *
   * @param device closed with the controller, and if this fails
   * @param options how to behave
   * @return a controller in state READY
   * @throws NvmeException if it does not come up
   */
  public static NvmeController open(PciDevice device, NvmeOptions options) {
    try {
      NvmeController controller = new NvmeController(device, options);
      controller.bringUp();
      return controller;
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  /** {@return the device's name} */
  public String name() {
    return device.name();
  }

  /** {@return the state that the controller is in} */
  public ControllerState state() {
    return state;
  }

  /** {@return why the controller failed or is gone, empty if it has not and is not} */
  public String failure() {
    return failure;
  }

  /** {@return the longest transfer of one command in bytes: the smaller of MDTS and 4 MiB} */
  @Override
  public int maxTransferBytes() {
    return maxTransferBytes;
  }

  /** {@return how many I/O queue pairs there may be} */
  public int maxQueuePairs() {
    return maxQueuePairs;
  }

  /** {@return the I/O queue pairs that there are} */
  public List<QueuePair<?>> queuePairs() {
    return List.copyOf(queuePairs);
  }

  /** {@return what becomes readable when the device goes; then call {@link #checkPresence}} */
  public WakeSource removalSource() {
    return device.removalSource();
  }

  /** {@return whether the controller is READY} */
  public boolean isReady() {
    return state == ControllerState.READY;
  }

  /**
   * Looks, without asking the device, whether it is still there. Any thread; takes less than a
   * microsecond.
   *
   * @return whether it is, and has not failed; if it is not, polling its queue pairs gives GONE for
   *     each command
   */
  @Override
  public boolean checkPresence() {
    ControllerState now = state;
    boolean mayGo = now != ControllerState.GONE && now != ControllerState.CLOSED;
    if (mayGo && !device.isPresent()) {
      fail(ControllerState.GONE, "the device is gone");
    }
    return isLiving();
  }

  /**
   * Reads CSTS, which tells a fatal status and a removal.
   *
   * @return whether the controller still answers
   */
  public boolean checkHealth() {
    try {
      if (checkPresence()) {
        int csts = device.read32(ControllerRegisters.CSTS);
        if (csts == ControllerRegisters.ALL_ONES) {
          fail(ControllerState.GONE, "CSTS reads as all ones");
        } else if (state == ControllerState.READY && (csts & ControllerRegisters.CSTS_FATAL) != 0) {
          fail(ControllerState.FAILED, "fatal status, CSTS 0x%x".formatted(csts));
        }
      }
    } catch (DeviceGoneException e) {
      fail(ControllerState.GONE, String.valueOf(e.getMessage()));
    } catch (DeviceHungException e) {
      fail(ControllerState.FAILED, String.valueOf(e.getMessage()));
    }
    return isLiving();
  }

  /**
   * Gives the controller access to memory of this process. Queue pairs can use it from then on.
   *
   * @param memory closed by the caller, after it was unmapped or the controller closed
   */
  public synchronized void map(DmaMemory memory) {
    requireAlive();
    DmaRegion region = device.map(memory.memfd(), memory.offset(), memory.lengthBytes());
    windows = windows.with(memory.segment(), region);
  }

  /**
   * Takes the access back. No command may be in flight that names the memory. A device that {@link
   * ControllerState#HUNG hangs} keeps it until it goes.
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
   * Gives the controller access to memory that belongs to somebody else, and that queue pairs do
   * not find by {@link #iovaOf}.
   *
   * @param memory may be closed afterwards
   */
  synchronized DmaRegion mapForeign(Fd memory, long offset, long lengthBytes) {
    requireAlive();
    return device.map(memory, offset, lengthBytes);
  }

  /** Takes that access back. No command may be in flight that names the memory. */
  synchronized void unmapForeign(DmaRegion region) {
    if (isLiving()) {
      device.unmap(region);
    }
  }

  /**
   * {@return the DMA address of a part of a segment, or -1 if the controller cannot reach it}
   *
   * @param segment memory
   * @param offset of the part, in bytes
   * @param lengthBytes its size
   */
  @Override
  public long iovaOf(MemorySegment segment, long offset, long lengthBytes) {
    return windows.iovaOf(segment, offset, lengthBytes);
  }

  /**
   * Creates an I/O queue pair in memory of its own.
   *
   * @param depth most commands in flight, 1 to {@link QueuePair#MAX_DEPTH} and less than CAP.MQES
   *     allows
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws NvmeException if there are no more, or the controller refuses
   */
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, CompletionHandler<? super R> handler) {
    requireState(ControllerState.READY);
    int most = Math.min(QueuePair.MAX_DEPTH, ControllerRegisters.maxQueueEntries(cap) - 1);
    if (depth < 1 || depth > most) {
      throw new IllegalArgumentException("queue depth %d is not 1 to %d".formatted(depth, most));
    }
    int id = queueIds.nextClearBit(1);
    if (id > maxQueuePairs) {
      throw new NvmeException(
          "all %d I/O queue pairs of %s are in use".formatted(maxQueuePairs, name()));
    }
    int stride = ControllerRegisters.doorbellStride(cap);
    QueuePair<R> pair = new QueuePair<>(this, device, id, depth, stride, shadowDoorbells, handler);
    try {
      createQueues(pair);
    } catch (RuntimeException e) {
      pair.discard();
      throw e;
    }
    queueIds.set(id);
    queuePairs.add(pair);
    if (state == ControllerState.GONE) {
      pair.engine().settle(); // it went just now, and did not find the queue pair in the list
    }
    return pair;
  }

  /** {@return a copy of the Identify Controller data structure} */
  public IdentifyController identifyController() {
    MemorySegment data = identify(IdentifyCns.CONTROLLER, 0);
    return new IdentifyController().wrap(data, 0);
  }

  /**
   * {@return a copy of the Identify Namespace data structure}
   *
   * @param nsid namespace, from 1
   */
  public synchronized IdentifyNamespace identifyNamespace(int nsid) {
    MemorySegment data = identify(IdentifyCns.NAMESPACE, nsid);
    IdentifyNamespace namespace = new IdentifyNamespace().wrap(data, 0);
    if (nsid >= 1 && nsid <= MAX_NSID) {
      limit(nsid, NamespaceLimits.of(namespace));
    }
    return namespace;
  }

  /** {@return the identifiers of the active namespaces up to {@value #MAX_NSID}, ascending} */
  public int[] activeNamespaces() {
    // One list takes 1024 of them, so no second one can hold any that we want.
    int[] list = identify(IdentifyCns.ACTIVE_NAMESPACES, 0).toArray(LittleEndian.ANY_INT);
    int count = 0;
    while (count < list.length && list[count] > 0 && list[count] <= MAX_NSID) {
      count++;
    }
    return Arrays.copyOf(list, count);
  }

  /**
   * {@return the names of a namespace}
   *
   * @param nsid namespace, from 1
   */
  public List<NamespaceDescriptor> namespaceDescriptors(int nsid) {
    return NamespaceDescriptor.readFrom(identify(IdentifyCns.NAMESPACE_DESCRIPTORS, nsid));
  }

  /** {@return the log pages} */
  public ControllerLogs logs() {
    return logs;
  }

  /** {@return the features} */
  public ControllerFeatures features() {
    return features;
  }

  /**
   * Sets the 128-bit host identifier, by which the drive tells hosts apart for reservations. To be
   * repeated after a reset.
   *
   * @param low first eight bytes, little-endian
   * @param high last eight bytes, little-endian; not both 0
   */
  public void setHostIdentifier(long low, long high) {
    features.hostIdentifier(low, high);
  }

  /**
   * {@return what becomes readable when the controller reports an event; then call {@link
   * #takeEvents}}
   *
   * @throws NvmeException if the device has no interrupts: call {@link #takeEvents} now and then
   */
  public WakeSource eventSource() {
    WakeSource source = admin.interrupt();
    if (source == null) {
      throw new NvmeException(name() + " has no interrupts");
    }
    return source;
  }

  /**
   * {@return what the controller has reported since this was called last} Reads the log pages that
   * the events name, learns namespaces anew that have changed, and lets the controller report
   * again. Blocks for administrative commands if there are any events, else for none.
   */
  public synchronized List<AsyncEvent> takeEvents() {
    requireState(ControllerState.READY);
    List<AsyncEvent> events = admin.takeEvents();
    for (AsyncEvent event : events) {
      LOG.info("{} reports {}", name(), event);
      if (event.isNamespaceChange()) {
        learnNamespaces(logs.changedNamespaces());
      } else if (event.logPage() != 0) {
        var _ = logs.page(event.logPage(), EVENT_LOG_BYTES);
      }
    }
    if (!events.isEmpty()) {
      admin.requestEvents(eventRequests);
    }
    return events;
  }

  /**
   * Sends an administrative command without data, or with data whose PRPs the caller has set; waits
   * for its completion.
   *
   * @param command its CID is set here
   * @return the completion, whatever its status
   * @throws NvmeException if there is no answer
   */
  public synchronized Completion admin(SubmissionEntry command) {
    requireAlive();
    return admin.execute(command);
  }

  /**
   * Sends an administrative command with data, and waits for its completion.
   *
   * @param command its CID and PRPs are set here
   * @param data at most 8192 bytes: goes to the controller, and takes what it wrote
   * @return the completion, whatever its status
   * @throws NvmeException if there is no answer
   */
  public synchronized Completion admin(SubmissionEntry command, MemorySegment data) {
    requireAlive();
    return admin.execute(command, data);
  }

  /**
   * Resets the controller and brings it up again, also one that has failed and was stopped. All
   * queue pairs are lost: their commands are answered with GONE, and they must be closed, which
   * frees their identifiers, and created anew. Features fall back to their defaults.
   */
  public synchronized void reset() {
    bringUp();
  }

  /**
   * Shuts the controller down in order, so that its caches reach its media, and lets go of the
   * device. Close queue pairs first, or stop polling them; those left are lost. Bounded by the
   * shutdown timeout, and for a device that does not co-operate by the time that stopping it takes;
   * never throws for one.
   */
  @Override
  public synchronized void close() {
    if (state == ControllerState.CLOSED) {
      return;
    }
    if (state == ControllerState.READY) {
      try {
        shutDown();
      } catch (NvmeException e) {
        LOG.warn("{} was not shut down in order: {}", name(), e.getMessage());
        fail(ControllerState.FAILED, "not shut down: " + e.getMessage());
      }
    }
    stop();
    transition(ControllerState.CLOSED);
    device.close();
    admin.close();
    if (shadowMemory != null) {
      shadowMemory.close();
    }
  }

  @Override
  public String toString() {
    return name() + " " + state;
  }

  @Override
  NvmeOptions options() {
    return options;
  }

  /** What the data path needs to know of a namespace, which need not be there. */
  @Override
  NamespaceLimits limits(int nsid) {
    NamespaceLimits[] all = limits;
    return nsid >= 1 && nsid < all.length ? all[nsid] : NamespaceLimits.NONE;
  }

  /** Whether I/O commands may name their data by SGLs. */
  @Override
  boolean takesSgls() {
    return sglSupport != 0;
  }

  /** Bits of a DMA address that must be 0: dwords with PRPs, but SGLs may allow any byte. */
  @Override
  int dataAlignmentMask() {
    return sglSupport == IdentifyController.SGLS_ANY_ALIGNMENT ? 0 : 3;
  }

  /** Whether the controller has neither failed nor gone nor been closed. */
  @Override
  boolean isLiving() {
    return state.isLiving();
  }

  /**
   * Lets go of a queue pair: deletes its queues, or, if the controller does not do that, stops the
   * controller; settles the queue pair if either worked.
   */
  @Override
  synchronized void release(QueuePair<?> pair) {
    checkPresence();
    if (queuePairs.contains(pair)) {
      delete(pair);
      stop();
      queuePairs.remove(pair);
    }
    queueIds.clear(pair.id());
  }

  private void delete(QueuePair<?> pair) {
    if (state != ControllerState.READY) {
      return;
    }
    try {
      deleteQueue(AdminOpcode.DELETE_IO_SQ, pair.id());
      pair.engine().settle();
      deleteQueue(AdminOpcode.DELETE_IO_CQ, pair.id());
      device.unmap(pair.region());
    } catch (NvmeException e) {
      fail(
          ControllerState.FAILED,
          "queue pair %d was not deleted: %s".formatted(pair.id(), e.getMessage()));
    }
  }

  /** Asks the controller in the background to abort a command; the queue pair is told. */
  @Override
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

  private synchronized void abort(int queueId, int cid) {
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

  /** Marks the controller as failed. Returns the exception for the caller to throw. */
  NvmeException failed(String reason) {
    fail(ControllerState.FAILED, reason);
    return new NvmeException(name() + ": " + reason);
  }

  /**
   * The controller is FAILED, and will be stopped before commands are answered; or GONE, and they
   * are answered now. Any thread, never blocks; the first one counts.
   */
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
      settleQueuePairs();
    }
  }

  /** Stops a controller that has failed, so that its commands can be answered. */
  private synchronized void stop() {
    if (state != ControllerState.FAILED) {
      return; // reset, closed or gone meanwhile
    }
    try {
      if (power.stop()) {
        transition(ControllerState.STOPPED);
        settleQueuePairs();
      } else {
        device.disconnect();
        transition(ControllerState.HUNG);
        LOG.error("{} can't be stopped: it keeps the memory of its commands", name());
        queuePairs.forEach(pair -> pair.engine().unsettle());
      }
    } catch (DeviceGoneException e) {
      fail(ControllerState.GONE, String.valueOf(e.getMessage()));
    }
  }

  private void settleQueuePairs() {
    queuePairs.forEach(pair -> pair.engine().settle());
  }

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

  private void requireState(ControllerState needed) {
    requireAlive();
    if (state != needed) {
      throw new IllegalStateException("%s is %s, not %s".formatted(name(), state, needed));
    }
  }

  private void transition(ControllerState next) {
    synchronized (stateLock) {
      if (!state.mayBecome(next)) {
        requireAlive();
        throw new IllegalStateException("%s: %s can't become %s".formatted(name(), state, next));
      }
      LOG.debug("{}: {} -> {}", name(), state, next);
      state = next;
    }
  }

  private synchronized void bringUp() {
    boolean again = state != ControllerState.ATTACHED;
    transition(ControllerState.DISABLING);
    failure = "";
    try {
      power.disable();
      transition(ControllerState.DISABLED);
      if (again) {
        forgetQueuePairs();
      }
      admin.clear();
      power.configure(admin.sqIova(), admin.cqIova());
      transition(ControllerState.ENABLING);
      power.enable();
      transition(ControllerState.IDENTIFYING);
      learn();
      transition(ControllerState.READY);
    } catch (DeviceGoneException e) {
      fail(ControllerState.GONE, String.valueOf(e.getMessage()));
      throw e;
    } catch (NvmeException e) {
      fail(ControllerState.FAILED, String.valueOf(e.getMessage()));
      throw e;
    }
  }

  /** After a reset the controller knows of no queues. */
  private void forgetQueuePairs() {
    for (QueuePair<?> pair : queuePairs) {
      pair.engine().settle();
      device.unmap(pair.region());
    }
    // Their identifiers stay taken until they are closed: their threads may still ring.
    queuePairs.clear();
  }

  private void learn() {
    IdentifyController identity = identifyController();
    int mdts = identity.maxDataTransferSize();
    int pageShift = ControllerRegisters.minPageShift(cap);
    int mostShift = Integer.numberOfTrailingZeros(Prp.MAX_TRANSFER_BYTES);
    maxTransferBytes = 1 << (mdts == 0 ? mostShift : Math.min(mdts + pageShift, mostShift));
    int sgls = identity.sglSupport() & IdentifyController.SGLS_MASK;
    sglSupport = sgls == IdentifyController.SGLS_MASK ? 0 : sgls; // 11b is reserved
    int wanted = options.maxQueuePairs() - 1;
    int granted = features.set(Feature.NUMBER_OF_QUEUES, wanted | wanted << 16);
    maxQueuePairs =
        Math.min(options.maxQueuePairs(), Math.min(granted & 0xffff, granted >>> 16 & 0xffff) + 1);
    limits = noLimits();
    shareDoorbells(identity);
    learnNamespaces(activeNamespaces());
    listen(identity);
  }

  /** Offers memory for doorbells to a controller that takes it, and has nothing better. */
  private void shareDoorbells(IdentifyController identity) {
    int stride = ControllerRegisters.doorbellStride(cap);
    boolean offered = (identity.adminCommands() & IdentifyController.OACS_DOORBELL_BUFFER) != 0;
    boolean wakes = device.doorbellEvent(ControllerRegisters.sqTailDoorbell(1, stride)).isPresent();
    shadowDoorbells = null;
    if (!options.shadowDoorbells() || !offered || wakes || !ShadowDoorbells.haveRoom(stride)) {
      return;
    }
    ShadowDoorbells shadow =
        shadowMemory == null ? new ShadowDoorbells(device, stride) : shadowMemory;
    shadowMemory = shadow;
    Completion completion = admin(shadow.command());
    if (completion.isSuccess()) {
      shadowDoorbells = shadow;
    } else {
      LOG.info("{} takes no shadow doorbells: {}", name(), Status.name(completion.status()));
    }
  }

  /** Learns of namespaces; those that are gone, too. */
  private void learnNamespaces(int[] changed) {
    boolean tooMany = changed.length == 1 && changed[0] == SubmissionEntry.NSID_ALL;
    for (int nsid : tooMany ? activeNamespaces() : changed) {
      if (nsid >= 1 && nsid <= MAX_NSID) {
        learnNamespace(nsid);
      }
    }
  }

  private void learnNamespace(int nsid) {
    try {
      var _ = identifyNamespace(nsid);
    } catch (StatusException e) {
      LOG.info("{}: namespace {} is gone: {}", name(), nsid, e.getMessage());
      limit(nsid, NamespaceLimits.NONE);
    }
  }

  /** Asks for all events that there are. */
  private void listen(IdentifyController identity) {
    int wanted = SMART_WARNINGS | (identity.asyncEvents() & NAMESPACE_ATTRIBUTE);
    try {
      var _ = features.set(Feature.ASYNC_EVENT, wanted);
    } catch (StatusException e) {
      LOG.info("{} reports what it likes: {}", name(), e.getMessage());
    }
    eventRequests = identity.asyncEventLimit() + 1;
    admin.requestEvents(eventRequests);
  }

  private void shutDown() {
    queuePairs.forEach(this::delete);
    transition(ControllerState.SHUTTING_DOWN);
    power.shutDown();
    transition(ControllerState.SHUT_DOWN);
  }

  private void createQueues(QueuePair<?> pair) {
    int sizeAndId = pair.id() | (pair.entries() - 1) << 16;
    int interrupt = pair.hasInterrupt() ? INTERRUPTS_ENABLED | pair.id() << 16 : 0;
    SubmissionEntry command = AdminQueue.command(AdminOpcode.CREATE_IO_CQ, 0);
    command.prp(pair.cqIova(), 0).cdw(10, sizeAndId).cdw(11, PHYSICALLY_CONTIGUOUS | interrupt);
    admin(command).orThrow("Create I/O Completion Queue %d of %s".formatted(pair.id(), name()));
    command = AdminQueue.command(AdminOpcode.CREATE_IO_SQ, 0);
    command.prp(pair.sqIova(), 0).cdw(10, sizeAndId);
    command.cdw(11, PHYSICALLY_CONTIGUOUS | pair.id() << 16);
    Completion completion = admin(command);
    if (!completion.isSuccess()) {
      deleteQueue(AdminOpcode.DELETE_IO_CQ, pair.id());
    }
    completion.orThrow("Create I/O Submission Queue %d of %s".formatted(pair.id(), name()));
  }

  private void deleteQueue(int opcode, int id) {
    admin(AdminQueue.command(opcode, 0).cdw(10, id))
        .orThrow("%s %d of %s".formatted(AdminOpcode.name(opcode), id, name()));
  }

  private MemorySegment identify(int cns, int nsid) {
    MemorySegment data = buffer(IdentifyController.BYTES);
    SubmissionEntry command = AdminQueue.command(AdminOpcode.IDENTIFY, nsid).cdw(10, cns);
    admin(command, data).orThrow("Identify CNS 0x%02x of %s".formatted(cns, name()));
    return data;
  }

  private void limit(int nsid, NamespaceLimits namespace) {
    NamespaceLimits[] changed = limits.clone();
    changed[nsid] = namespace;
    limits = changed;
  }

  private static NamespaceLimits[] noLimits() {
    NamespaceLimits[] limits = new NamespaceLimits[MAX_NSID + 1];
    Arrays.fill(limits, NamespaceLimits.NONE);
    return limits;
  }

  private static MemorySegment buffer(int lengthBytes) {
    return MemorySegment.ofArray(new byte[lengthBytes]);
  }
}
