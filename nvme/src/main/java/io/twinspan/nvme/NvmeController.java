package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import java.lang.foreign.MemorySegment;
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
public final class NvmeController extends QueueOwner {
  /** Namespaces with a higher identifier are not used. */
  public static final int MAX_NSID = 1024;

  private static final Logger LOG = LoggerFactory.getLogger(NvmeController.class);

  /** Enough of any log page for its events to count as noticed. */
  private static final int EVENT_LOG_BYTES = 64;

  // Asynchronous Event Configuration, and the bits of OAES that go with it.
  private static final int SMART_WARNINGS = 0x3f;
  private static final int NAMESPACE_ATTRIBUTE = 1 << 8;

  private final PciDevice device;
  private final CopyOnWriteArrayList<QueuePair<?>> queuePairs = new CopyOnWriteArrayList<>();
  private final QueueIds queueIds = new QueueIds();
  private final long cap;
  private final ControllerPower power;
  private final AdminQueue admin;
  private volatile int maxQueuePairs;
  private int eventRequests;

  /** Where doorbells are left, if the controller was told of it since its last reset. */
  private @Nullable ShadowDoorbells shadowDoorbells;

  /** Memory for that, which stale queue pairs may use as long as the controller is open. */
  private @Nullable ShadowDoorbells shadowMemory;

  private NvmeController(PciDevice device, NvmeOptions options) {
    super(options, ControllerState.ATTACHED);
    this.device = device;
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

  @Override
  public String name() {
    return device.name();
  }

  @Override
  public int maxQueuePairs() {
    return maxQueuePairs;
  }

  /** {@return the I/O queue pairs that there are} */
  public List<QueuePair<?>> queuePairs() {
    return List.copyOf(queuePairs);
  }

  @Override
  public WakeSource removalSource() {
    return device.removalSource();
  }

  /** {@return whether the controller is READY} */
  public boolean isReady() {
    return state() == ControllerState.READY;
  }

  /** {@return whether the device is there and has not failed} Takes less than a microsecond. */
  @Override
  public boolean checkPresence() {
    ControllerState now = state();
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
        } else if (isReady() && (csts & ControllerRegisters.CSTS_FATAL) != 0) {
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

  /** The device, for the broker, which lends memory and queue pairs to others. */
  PciDevice device() {
    return device;
  }

  /** Takes an identifier of a queue pair that somebody else is to have. */
  int takeQueueId() {
    return queueIds.take(maxQueuePairs, name());
  }

  /** Gives it back: its queues do not exist. */
  void giveBackQueueId(int id) {
    queueIds.giveBack(id);
  }

  @Override
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, boolean interrupts, CompletionHandler<? super R> handler) {
    requireState(ControllerState.READY);
    requireDepth(depth, cap);
    int id = takeQueueId();
    QueuePair<R> pair;
    try {
      pair = createQueuePair(id, depth, interrupts, handler);
    } catch (RuntimeException e) {
      giveBackQueueId(id);
      throw e;
    }
    queuePairs.add(pair);
    if (state() == ControllerState.GONE) {
      pair.engine().settle(); // it went just now, and did not find the queue pair in the list
    }
    return pair;
  }

  private <R> QueuePair<R> createQueuePair(
      int id, int depth, boolean interrupts, CompletionHandler<? super R> handler) {
    int stride = ControllerRegisters.doorbellStride(cap);
    QueuePair<R> pair =
        new QueuePair<>(this, device, id, depth, interrupts, stride, shadowDoorbells, handler);
    try {
      IoQueueCommands.create(
          this, id, pair.entries(), pair.sqIova(), pair.cqIova(), pair.hasInterrupt());
      return pair;
    } catch (RuntimeException e) {
      pair.discard();
      throw e;
    }
  }

  /**
   * Sets the 128-bit host identifier, by which the drive tells hosts apart for reservations. To be
   * repeated after a reset.
   *
   * @param low first eight bytes, little-endian
   * @param high last eight bytes, little-endian; not both 0
   */
  public void setHostIdentifier(long low, long high) {
    features().hostIdentifier(low, high);
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
        learnNamespaces(logs().changedNamespaces());
      } else if (event.logPage() != 0) {
        var _ = logs().page(event.logPage(), EVENT_LOG_BYTES);
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
  @Override
  public synchronized Completion admin(SubmissionEntry command) {
    requireAlive();
    return admin.execute(command);
  }

  @Override
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
    if (state() == ControllerState.CLOSED) {
      return;
    }
    if (isReady()) {
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
    giveBackQueueId(pair.id());
  }

  private void delete(QueuePair<?> pair) {
    if (!isReady()) {
      return;
    }
    try {
      IoQueueCommands.deleteSubmissionQueue(this, pair.id());
      pair.engine().settle();
      IoQueueCommands.deleteCompletionQueue(this, pair.id());
      device.unmap(pair.region());
    } catch (NvmeException e) {
      fail(
          ControllerState.FAILED,
          "queue pair %d was not deleted: %s".formatted(pair.id(), e.getMessage()));
    }
  }

  /** Marks the controller as failed. Returns the exception for the caller to throw. */
  NvmeException failed(String reason) {
    fail(ControllerState.FAILED, reason);
    return new NvmeException(name() + ": " + reason);
  }

  /** FAILED: it is stopped before commands are answered; GONE: they are answered now. */
  @Override
  void afterFailure(ControllerState now) {
    if (now == ControllerState.FAILED) {
      options().background().execute(this::stop);
    } else {
      settleQueuePairs();
    }
  }

  @Override
  DmaRegion grant(DmaMemory memory) {
    return device.map(memory.memfd(), memory.offset(), memory.lengthBytes());
  }

  @Override
  void revoke(DmaRegion region) {
    if (isLiving()) {
      device.unmap(region);
    }
  }

  /** Stops a controller that has failed, so that its commands can be answered. */
  private synchronized void stop() {
    if (state() != ControllerState.FAILED) {
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

  private void requireState(ControllerState needed) {
    requireAlive();
    ControllerState now = state();
    if (now != needed) {
      throw new IllegalStateException("%s is %s, not %s".formatted(name(), now, needed));
    }
  }

  private void transition(ControllerState next) {
    if (!become(next)) {
      requireAlive();
      throw new IllegalStateException("%s: %s can't become %s".formatted(name(), state(), next));
    }
  }

  private synchronized void bringUp() {
    boolean again = state() != ControllerState.ATTACHED;
    transition(ControllerState.DISABLING);
    forgetFailure();
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
    limitTransfers(identity, cap);
    int wanted = options().maxQueuePairs() - 1;
    int granted = features().set(Feature.NUMBER_OF_QUEUES, wanted | wanted << 16);
    maxQueuePairs = Math.min(wanted, Math.min(granted & 0xffff, granted >>> 16 & 0xffff)) + 1;
    forgetNamespaces();
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
    if (!options().shadowDoorbells() || !offered || wakes || !ShadowDoorbells.haveRoom(stride)) {
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
      var _ = features().set(Feature.ASYNC_EVENT, wanted);
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
}
