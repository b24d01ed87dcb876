package io.twinspan.shelf;

import io.twinspan.nvme.CompletionEntry;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.LendableDoorbells;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One NVMe controller: registers, queues, and the commands in them (NVM Express 1.4, sections 3, 4
 * and 7).
 *
 * <pre>
 *   state           event                          next state
 *   DISABLED        CC.EN 0→1, configuration good  READY
 *   DISABLED        CC.EN 0→1, configuration bad   FAILED
 *   READY           queue memory unmapped          FAILED
 *   DISABLED,READY  CC.SHN 0→1 or 2                SHUTTING_DOWN, media are flushed
 *   SHUTTING_DOWN   flushed                        SHUT_DOWN
 *   any             CC.EN 1→0, or reset            DISABLED; queues, events and features are gone
 *   SHUT_DOWN       CC.EN 0→1, configuration good  READY
 * </pre>
 *
 * <p>The drive's agent thread owns it. {@link #poll} allocates nothing for I/O commands.
 */
final class NvmeController {
  /** I/O queue pairs that a client may create. */
  static final int IO_QUEUES = 15;

  /** Queue pairs, and so doorbell pages, with the admin queues' one. */
  static final int QUEUE_PAIRS = IO_QUEUES + 1;

  /** MSI-X vectors. */
  static final int VECTORS = QUEUE_PAIRS;

  /** Entries of the deepest queue. */
  static final int MAX_QUEUE_ENTRIES = 1024;

  /** CAP.TO: flushing at shutdown may take that long, enabling takes no time. */
  static final int READY_TIMEOUT_MS = 10_000;

  /** Returned instead of a status for commands that complete later. */
  static final int DEFERRED = -1;

  /** How many commands of one queue are run before the others have their turn. */
  private static final int BURST = 32;

  /** The upper half of a 64-bit register. */
  private static final long HIGH = 0xffff_ffff_0000_0000L;

  /** CC bits that must be 0: CSS (NVM command set), MPS (4 KiB pages), AMS (round robin). */
  private static final int CC_UNSUPPORTED = (0x7 << 4) | (0xf << 7) | (0x7 << 11);

  /** Where interrupts go. */
  @FunctionalInterface
  interface Interrupts {
    /** Raises an MSI-X vector, if the client has connected it. */
    void raise(int vector);
  }

  /** See the table above. */
  enum State {
    /** Waits for CC.EN. */
    DISABLED,
    /** Runs commands. */
    READY,
    /** Flushes. */
    SHUTTING_DOWN,
    /** Flushed, may lose power. */
    SHUT_DOWN,
    /** Misconfigured, waits for a reset. */
    FAILED
  }

  private final Subsystem subsystem;
  private final int controllerId;
  private final DoorbellKind doorbellKind;
  private final long cap;
  private final DmaMap dma;
  private final QueueDomains domains;
  private final Features features;
  private final AsyncEvents asyncEvents;
  private final Execution execution;
  private final @Nullable SubmissionQueue[] sqs = new @Nullable SubmissionQueue[QUEUE_PAIRS];
  private final @Nullable CompletionQueue[] cqs = new @Nullable CompletionQueue[QUEUE_PAIRS];

  private DoorbellSet doorbells;
  private Interrupts interrupts = vector -> {};
  private boolean clientArmsInterrupts;
  private State state = State.DISABLED;
  private int cc;
  private int aqa;
  private long asq;
  private long acq;
  private int turn;
  private boolean poweredOff;

  /** Whether completions were posted that {@link #signal} has not looked at. */
  private boolean posted;

  NvmeController(Subsystem subsystem, int controllerId, DoorbellKind doorbellKind) {
    this.subsystem = subsystem;
    this.controllerId = controllerId;
    this.doorbellKind = doorbellKind;
    cap = ControllerRegisters.cap(MAX_QUEUE_ENTRIES, READY_TIMEOUT_MS, doorbellKind.stride());
    dma = new DmaMap(subsystem.mappings(), subsystem.transfers()::settle);
    domains = new QueueDomains(this, subsystem, dma);
    features = new Features(controllerId);
    asyncEvents = new AsyncEvents();
    execution = new Execution(this, subsystem);
    doorbells = new DoorbellSet(doorbellKind, Arena.ofAuto().allocate(doorbellBytes(), 4096));
  }

  /** Size of the doorbells in bytes: one page for each queue pair. */
  static long doorbellBytes() {
    return (long) QUEUE_PAIRS * DoorbellPage.BYTES;
  }

  /**
   * Gives the controller to a client; it must be freshly reset.
   *
   * @param memory {@link #doorbellBytes} for doorbells, shared with the client if their kind says
   *     so
   * @param interruptsTo where interrupts go
   * @param arms whether the client says by {@link DoorbellPage#interruptArmed} when it wants them
   */
  void connect(MemorySegment memory, Interrupts interruptsTo, boolean arms) {
    doorbells = new DoorbellSet(doorbellKind, memory);
    interrupts = interruptsTo;
    clientArmsInterrupts = arms;
  }

  /** Says that the client has fetched the eventfds, and so follows the wake-up protocol. */
  void clientArmsInterrupts() {
    clientArmsInterrupts = true;
  }

  /** Whether the client wakes the drive, so that its doorbells need not be polled. */
  boolean clientWakes() {
    return clientArmsInterrupts || doorbellKind == DoorbellKind.SHADOWED;
  }

  /** How the client rings. */
  DoorbellKind doorbellKind() {
    return doorbellKind;
  }

  int controllerId() {
    return controllerId;
  }

  State state() {
    return state;
  }

  DmaMap dma() {
    return dma;
  }

  /** The domains of those whom the client lends queue pairs. */
  QueueDomains domains() {
    return domains;
  }

  Features features() {
    return features;
  }

  HostIdentity host() {
    return features.host();
  }

  /** What carries the commands out. */
  Execution execution() {
    return execution;
  }

  AsyncEvents asyncEvents() {
    return asyncEvents;
  }

  /** The doorbells of a queue pair that is to be created. */
  Doorbells doorbells(int queueId) {
    LendableDoorbells lent = domains.lent(queueId);
    return lent == null ? doorbells.of(queueId) : new PageDoorbells(lent.page());
  }

  /** Doorbell Buffer Config: looks for doorbells in two pages of the client's; returns a status. */
  int shadowDoorbells(long shadow, long eventIndexes) {
    int status = doorbells.configure(dma, shadow, eventIndexes);
    for (int id = 1; status == Status.SUCCESS && id < QUEUE_PAIRS; id++) {
      SubmissionQueue sq = sqs[id];
      CompletionQueue cq = cqs[id];
      if (sq != null) {
        sq.doorbellsMoved();
      }
      if (cq != null) {
        cq.doorbellsMoved();
      }
    }
    return status;
  }

  /** The submission queue, or null if there is none with that identifier. */
  @Nullable SubmissionQueue submissionQueue(int id) {
    return id < 0 || id >= QUEUE_PAIRS ? null : sqs[id];
  }

  /** The completion queue, or null if there is none with that identifier. */
  @Nullable CompletionQueue completionQueue(int id) {
    return id < 0 || id >= QUEUE_PAIRS ? null : cqs[id];
  }

  /** Whether any I/O queue exists. */
  boolean hasIoQueues() {
    for (int id = 1; id < QUEUE_PAIRS; id++) {
      if (cqs[id] != null) {
        return true;
      }
    }
    return false;
  }

  /** Whether a submission or a completion queue has that identifier. */
  boolean hasQueue(int id) {
    return sqs[id] != null || cqs[id] != null;
  }

  /** Whether a queue of that pair lies in a range of its domain's addresses. */
  boolean hasQueueIn(int id, long address, long lengthBytes) {
    SubmissionQueue sq = sqs[id];
    CompletionQueue cq = cqs[id];
    return (sq != null && DmaMap.within(sq.region(), address, lengthBytes))
        || (cq != null && DmaMap.within(cq.region(), address, lengthBytes));
  }

  void add(CompletionQueue queue) {
    cqs[queue.id()] = queue;
    queue.doorbellsMoved();
  }

  void add(SubmissionQueue queue) {
    sqs[queue.id()] = queue;
    queue.doorbellsMoved();
    queue.completionQueue().attach();
  }

  void removeCompletionQueue(int id) {
    cqs[id] = null;
  }

  /**
   * Waits for data that is on its way, ends what else is in flight with the status that says so,
   * then forgets the queue.
   */
  void remove(SubmissionQueue queue) {
    subsystem.transfers().settle();
    subsystem.deferrals().abortAll(this, queue, Status.ABORTED_SQ_DELETION);
    sqs[queue.id()] = null;
    queue.completionQueue().detach();
  }

  /**
   * Forgets both queues of a pair without a word to whoever used it; data may still be on its way.
   */
  void drop(int id) {
    SubmissionQueue queue = sqs[id];
    if (queue != null) {
      subsystem.deferrals().cancelAll(this, queue);
      sqs[id] = null;
      queue.completionQueue().detach();
    }
    cqs[id] = null;
  }

  /** Reads 4 aligned bytes of the registers; reserved ones read as 0. */
  int readRegister(int offset) {
    return switch (offset) {
      case ControllerRegisters.CAP -> (int) cap;
      case ControllerRegisters.CAP + 4 -> (int) (cap >>> 32);
      case ControllerRegisters.VS -> ControllerRegisters.VERSION_1_4;
      case ControllerRegisters.CC -> cc;
      case ControllerRegisters.CSTS -> csts();
      case ControllerRegisters.AQA -> aqa;
      case ControllerRegisters.ASQ -> (int) asq;
      case ControllerRegisters.ASQ + 4 -> (int) (asq >>> 32);
      case ControllerRegisters.ACQ -> (int) acq;
      case ControllerRegisters.ACQ + 4 -> (int) (acq >>> 32);
      default -> 0;
    };
  }

  /** Writes 4 aligned bytes of the registers; read-only and reserved ones ignore it. */
  void writeRegister(int offset, int value) {
    switch (offset) {
      case ControllerRegisters.CC -> configure(value);
      case ControllerRegisters.AQA -> aqa = value & 0x0fff_0fff;
      case ControllerRegisters.ASQ -> asq = (asq & HIGH) | (value & 0xffff_f000L);
      case ControllerRegisters.ASQ + 4 -> asq = (asq & ~HIGH) | ((long) value << 32);
      case ControllerRegisters.ACQ -> acq = (acq & HIGH) | (value & 0xffff_f000L);
      case ControllerRegisters.ACQ + 4 -> acq = (acq & ~HIGH) | ((long) value << 32);
      default -> {}
    }
  }

  /** What a PCI function reset does: registers as after power-on. DMA mappings stay. */
  void reset() {
    disable();
    cc = 0;
    aqa = 0;
    asq = 0;
    acq = 0;
  }

  /** The client has gone: a reset, and its memory is unmapped. */
  void disconnect() {
    if (state == State.READY) {
      subsystem.health().unsafeShutdowns++;
    }
    reset();
    interrupts = vector -> {};
    clientArmsInterrupts = false;
    domains.close();
    dma.close();
  }

  /** Power has failed: nothing is done any more, and the client is to be disconnected. */
  void losePower() {
    fail();
    poweredOff = true;
  }

  /** Whether power has failed under the client that is connected. */
  boolean takePowerLoss() {
    boolean lost = poweredOff;
    poweredOff = false;
    return lost;
  }

  /**
   * Unmaps a range; queues or doorbell buffers that lie in it are an error of the client's, which
   * is fatal here.
   */
  int unmap(long address, long lengthBytes) {
    if (doorbells.buffersLieIn(address, lengthBytes)) {
      fail();
    }
    for (int id = 0; id < QUEUE_PAIRS; id++) {
      if (domains.lent(id) == null && hasQueueIn(id, address, lengthBytes)) {
        fail();
        break;
      }
    }
    return dma.remove(address, lengthBytes);
  }

  /** Runs what has been submitted, a burst from each queue; returns how many commands. */
  int poll() {
    if (state != State.READY) {
      return 0;
    }
    execution.beginRound();
    domains.endHungUp();
    int work = run(0, BURST);
    turn = turn >= IO_QUEUES ? 1 : turn + 1;
    for (int i = 0; i < IO_QUEUES; i++) {
      int id = turn + i > IO_QUEUES ? turn + i - IO_QUEUES : turn + i;
      work += domains.lent(id) == null ? run(id, BURST) : runLent(id);
    }
    subsystem.transfers().submit();
    asyncEvents.deliver(this);
    signal();
    return work;
  }

  /** Whether a queue waits for its client to take completions, which comes without a wake-up. */
  boolean stalled() {
    return execution.stalled();
  }

  /** Says where the client's submission queues are rung whether the drive is about to sleep. */
  void sleeping(boolean sleeping) {
    for (int id = 0; id < QUEUE_PAIRS; id++) {
      SubmissionQueue sq = sqs[id];
      if (sq != null && domains.lent(id) == null) {
        sq.sleeping(sleeping);
      }
    }
  }

  /** Completes a command whose slot is still reserved; {@link #signal} tells the client. */
  void complete(SubmissionQueue sq, int cid, int status, int result) {
    sq.completionQueue().post(result, sq, cid, status);
    posted = true;
  }

  /** Completes a command that waited; {@link #signal} tells the client. */
  void completeDeferred(SubmissionQueue sq, int cid, int status, int nsid, long lba) {
    if (status != Status.SUCCESS) {
      execution.noteError(sq, cid, status, nsid, lba);
    }
    complete(sq, cid, status, 0);
  }

  /** The flush of a shutdown is done. */
  void shutdownFlushed() {
    if (state == State.SHUTTING_DOWN) {
      state = State.SHUT_DOWN;
    }
  }

  private int csts() {
    int ready = (cc & ControllerRegisters.CC_ENABLE) != 0 ? ControllerRegisters.CSTS_READY : 0;
    return switch (state) {
      case DISABLED -> 0;
      case READY -> ready;
      case SHUTTING_DOWN -> ready | ControllerRegisters.CSTS_SHUTDOWN_OCCURRING;
      case SHUT_DOWN -> ready | ControllerRegisters.CSTS_SHUTDOWN_COMPLETE;
      case FAILED -> ControllerRegisters.CSTS_FATAL;
    };
  }

  private void configure(int value) {
    boolean was = (cc & ControllerRegisters.CC_ENABLE) != 0;
    boolean enable = (value & ControllerRegisters.CC_ENABLE) != 0;
    boolean shutdown =
        (value & ControllerRegisters.CC_SHUTDOWN_MASK) != 0
            && (cc & ControllerRegisters.CC_SHUTDOWN_MASK) == 0;
    cc = value;
    if (was && !enable) {
      disable();
    } else if (!was && enable) {
      enable();
    }
    if (shutdown) {
      beginShutdown();
    }
  }

  private void enable() {
    int sqEntries = ControllerRegisters.adminSqEntries(aqa);
    int cqEntries = ControllerRegisters.adminCqEntries(aqa);
    DmaMap.Region sqRegion = dma.find(asq, (long) sqEntries * SubmissionEntry.BYTES, false);
    DmaMap.Region cqRegion = dma.find(acq, (long) cqEntries * CompletionEntry.BYTES, true);
    if ((cc & CC_UNSUPPORTED) != 0
        || sqEntries < 2
        || cqEntries < 2
        || sqRegion == null
        || cqRegion == null) {
      fail();
      return;
    }
    Doorbells bells = doorbells.of(0);
    CompletionQueue cq = new CompletionQueue(0, cqRegion, acq, cqEntries, 0, true, bells);
    add(cq);
    add(new SubmissionQueue(0, sqRegion, asq, sqEntries, cq, bells, domains.of(0)));
    state = State.READY;
  }

  private void disable() {
    forgetQueues();
    features.reset();
    doorbells.clear();
    state = State.DISABLED;
  }

  /** Stops with a fatal error: the client has broken something, or lost it. */
  void fail() {
    forgetQueues();
    state = State.FAILED;
  }

  private void forgetQueues() {
    subsystem.deferrals().cancelAll(this);
    subsystem.transfers().settle();
    asyncEvents.reset();
    Arrays.fill(sqs, null);
    Arrays.fill(cqs, null);
    domains.takeBack();
    doorbells.forgetBuffers();
    execution.beginRound();
  }

  private void beginShutdown() {
    if (state != State.READY && state != State.DISABLED) {
      return;
    }
    subsystem.transfers().settle();
    Deferral deferral = subsystem.deferrals().take();
    if (deferral == null) {
      fail();
      return;
    }
    state = State.SHUTTING_DOWN;
    deferral.begin(this, null, 0, SubmissionEntry.NSID_ALL);
    deferral.waitFor(subsystem.namespaces().size());
    for (Namespace namespace : subsystem.namespaces()) {
      namespace.flushes().add(deferral);
    }
  }

  /** Who breaks the rules, or takes memory away that was lent, loses queues; nobody else does. */
  private int runLent(int id) {
    try {
      return run(id, BURST);
    } catch (InternalError e) { // the JVM's answer to SIGBUS
      domains.end(id, "its memory has gone: " + e.getMessage());
      return 1;
    }
  }

  private int run(int id, int limit) {
    SubmissionQueue sq = sqs[id];
    if (sq == null) {
      return 0;
    }
    int pending = sq.pending();
    if (pending <= 0) {
      if (pending == SubmissionQueue.BAD_TAIL && sq.domain().isConfined()) {
        domains.end(id, "it rang a tail that its queue does not have");
      } else if (pending == SubmissionQueue.BAD_TAIL && sq.reportBadTail()) {
        asyncEvents.add(AsyncEvents.ERROR, AsyncEvents.INVALID_DOORBELL_VALUE, 1);
      }
      return 0;
    }
    return execution.run(sq, Math.min(pending, limit));
  }

  /**
   * Raises the vectors of queues with new completions, unless the client is awake and says so: once
   * for all that a round has completed, as each is a system call and wakes a thread.
   */
  void signal() {
    if (!posted) {
      return;
    }
    posted = false;
    boolean fenced = false;
    for (int id = 0; id < QUEUE_PAIRS; id++) {
      CompletionQueue cq = cqs[id];
      if (cq == null || !cq.takeUnsignalled() || !cq.interrupts()) {
        continue;
      }
      LendableDoorbells lent = domains.lent(id);
      if (clientArmsInterrupts || lent != null) {
        if (!fenced) {
          VarHandle.fullFence(); // completions before the look at what the client has armed
          fenced = true;
        }
        if (!cq.doorbells().takesInterrupt()) {
          continue;
        }
      }
      if (lent == null) {
        interrupts.raise(cq.vector());
      } else {
        lent.interrupt();
      }
    }
  }
}
