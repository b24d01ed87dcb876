package io.twinspan.nvme;

import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The engine of a {@link QueuePair}: its rings and doorbells, what is in flight, deadlines, and
 * what becomes of commands when the controller fails.
 *
 * @param <R> what the submitter hands over with a request
 */
final class QueueEngine<R> {
  /** How often a queue without completions looks whether the device is there and in time. */
  private static final long CHECK_NS = 20_000_000;

  /** How many commands that handlers submit are made known to the drive together. */
  private static final int RING_BATCH = 8;

  /** What becomes of the commands in flight; only the order of these is taken. */
  private enum Fate {
    /** The drive answers them. */
    SERVED,
    /** The controller can't be stopped: the drive may still touch their memory. */
    UNSETTLED,
    /** The drive touches their memory no more: they are answered with GONE. */
    SETTLED
  }

  private final QueueOwner controller;
  private final String name;
  private final int id;
  private final int entries;
  private final CompletionHandler<? super R> handler;
  private final QueueMemory memory;
  private final MemorySegment segment;
  private final Doorbells doorbells;
  private final @Nullable QueueInterrupt interrupt;
  private final CommandSlots<R> slots;
  private final SplitRequests<R> splits = new SplitRequests<>();
  private final QueueCounters counters = new QueueCounters();
  private final SubmissionEntry sqe = new SubmissionEntry();
  private final CompletionEntry cqe = new CompletionEntry();
  private final MemorySegment reportCopy = MemorySegment.ofArray(new byte[QueueMemory.SMALL_BYTES]);
  private final ReservationReport report = new ReservationReport().wrap(reportCopy, 0);

  private int tail;
  private int head;
  private int phase = 1;

  /** Whether completions are being handed out, and how many entries the drive does not know of. */
  private boolean polling;

  private int unrung;
  private int tick;
  private long nextCheckNs;
  private boolean closed;

  /** Writers: whoever stops the controller, under its lock, and who notices that it has gone. */
  private volatile Fate fate = Fate.SERVED;

  /** Whether the Abort that was asked for last was answered, or never will be. */
  private volatile boolean abortEnded;

  QueueEngine(
      QueueOwner controller,
      QueueDevice device,
      int id,
      int depth,
      boolean interrupts,
      int doorbellStride,
      @Nullable ShadowDoorbells shadowDoorbells,
      CompletionHandler<? super R> handler) {
    this(
        controller,
        device.name(),
        id,
        depth,
        Doorbells.of(device, id, doorbellStride, shadowDoorbells),
        interrupts && id < device.interruptCount() ? device.interrupt(id) : null,
        new QueueMemory(device, depth + 1, depth, controller.maxTransferBytes()),
        handler);
  }

  QueueEngine(
      QueueOwner controller,
      String name,
      int id,
      int depth,
      Doorbells doorbells,
      @Nullable EventFd event,
      QueueMemory memory,
      CompletionHandler<? super R> handler) {
    this.controller = controller;
    this.name = name;
    this.id = id;
    this.doorbells = doorbells;
    this.memory = memory;
    this.handler = handler;
    entries = depth + 1;
    slots = new CommandSlots<>(depth);
    interrupt = event == null ? null : new QueueInterrupt(event, doorbells);
    segment = memory.segment();
  }

  String name() {
    return name;
  }

  int id() {
    return id;
  }

  CommandSlots<R> slots() {
    return slots;
  }

  QueueCounters counters() {
    return counters;
  }

  QueueMemory memory() {
    return memory;
  }

  int entries() {
    return entries;
  }

  @Nullable WakeSource interrupt() {
    return interrupt;
  }

  /** Whether the controller is there to answer; once false it stays false. */
  boolean isAlive() {
    return fate == Fate.SERVED && controller.isLiving();
  }

  /** When {@link #poll} must be called at the latest. */
  long nextDeadlineNs() {
    return slots.isEmpty() && splits.isEmpty() ? Long.MAX_VALUE : nextCheckNs;
  }

  /** Takes completions, at most {@code limit}; looks now and then whether all is well. */
  int poll(int limit) {
    requireOpen();
    int done = 0;
    boolean served = isAlive();
    polling = true;
    try {
      while (done < limit && reap()) {
        done++;
      }
      if (splits.isWaiting() && served) {
        sendWaiting();
      }
    } finally {
      polling = false;
      if (done > 0 && served) {
        doorbells.cqHead(head);
      }
      ring();
    }
    if (done == 0 && fate != Fate.SETTLED) {
      check();
    }
    return isAlive() ? done : done + settle(limit - done);
  }

  /** The queues were deleted, or the controller stopped, if it could be: answers what is left. */
  void close() {
    while (answerAll(fate == Fate.SETTLED ? Status.GONE : Status.UNSETTLED) > 0) {
      // Handlers may have submitted again.
    }
    closed = true;
    // A drive that could not be stopped has the memfd's pages to itself: nobody gets them before it
    // lets go.
    memory.close();
  }

  boolean isClosed() {
    return closed;
  }

  /** The drive touches no memory any more: {@link #poll} answers with GONE. Any thread. */
  void settle() {
    fate = Fate.SETTLED;
  }

  /** The controller can't be stopped. Under the controller's lock. */
  void unsettle() {
    if (fate == Fate.SERVED) {
      fate = Fate.UNSETTLED;
    }
  }

  /** The Abort that was asked for was answered, or never will be. Any thread. */
  void abortEnded() {
    abortEnded = true;
  }

  /** Frees the memory of a queue pair that the drive never learned of. */
  void discard() {
    fate = Fate.SETTLED;
    closed = true;
    memory.close();
  }

  /** A command, or several, that moves blocks. */
  int transfer(
      int opcode, int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    NamespaceLimits limits = controller.limits(nsid);
    if (limits.blockShift() == 0 || blocks < 1) {
      return Status.BAD_ARGUMENT;
    }
    long iova = controller.iovaOf(data, offset, (long) blocks << limits.blockShift());
    if (iova == DmaWindows.UNMAPPED || (iova & controller.dataAlignmentMask()) != 0) {
      return Status.BAD_ARGUMENT;
    }
    if (blocks > limits.mostBlocks(lba, controller.maxTransferBytes())) {
      return split(opcode, nsid, lba, blocks, 0, iova, request);
    }
    int bytes = blocks << limits.blockShift();
    int cid = begin(opcode, bytes, request);
    if (cid >= 0) {
      send(opcode, cid, nsid, lba, blocks, 0, iova, bytes);
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /** A command that names blocks, but no data. */
  int blocks(int opcode, int nsid, long lba, int blocks, int control, R request) {
    if (blocks < 1) {
      return Status.BAD_ARGUMENT;
    }
    if (blocks > controller.limits(nsid).mostBlocks(lba, 0)) {
      return split(opcode, nsid, lba, blocks, control, DmaWindows.UNMAPPED, request);
    }
    int cid = begin(opcode, request);
    if (cid >= 0) {
      send(opcode, cid, nsid, lba, blocks, control, DmaWindows.UNMAPPED, 0);
    }
    return Math.min(cid, Status.SUCCESS);
  }

  private int split(int opcode, int nsid, long lba, int blocks, int control, long iova, R request) {
    requireOpen();
    if (!splits.begin(opcode, nsid, lba, blocks, control, iova, request)) {
      return Status.FULL;
    }
    sendWaiting();
    return Status.SUCCESS;
  }

  /** Sends parts of requests that were split, as many as there are command identifiers for. */
  private void sendWaiting() {
    while (splits.isWaiting() && !slots.isFull()) {
      int index = splits.first();
      int opcode = splits.opcode(index);
      int nsid = splits.nsid(index);
      long lba = splits.lba(index);
      long iova = splits.iova(index);
      boolean hasData = iova != DmaWindows.UNMAPPED;
      NamespaceLimits limits = controller.limits(nsid);
      int most = limits.mostBlocks(lba, hasData ? controller.maxTransferBytes() : 0);
      int blocks = Math.min(splits.blocksLeft(index), most);
      int bytes = hasData ? blocks << limits.blockShift() : 0;
      int cid = slots.take(opcode, bytes, tick, index);
      counters.submitted(opcode);
      send(opcode, cid, nsid, lba, blocks, splits.control(index), iova, bytes);
      splits.sent(index, blocks, bytes);
    }
  }

  private void send(
      int opcode, int cid, int nsid, long lba, int blocks, int control, long iova, int bytes) {
    SubmissionEntry entry = entry(opcode, cid, nsid).blocks(lba, blocks, control);
    if (bytes > 0) {
      int inFirst = Prp.PAGE_BYTES - (int) (iova & (Prp.PAGE_BYTES - 1));
      if (controller.takesSgls() && (bytes > inFirst + Prp.PAGE_BYTES || (iova & 3) != 0)) {
        entry.sgl(iova, bytes); // one descriptor instead of a list
      } else {
        long list = memory.listOffset(cid);
        entry.prp(iova, Prp.second(iova, bytes, segment, list, memory.iova(list)));
      }
    }
    ring(cid);
  }

  /** Takes a command identifier for a command without data of the caller, or says FULL. */
  int begin(int opcode, R request) {
    return begin(opcode, 0, request);
  }

  /** Takes a command identifier, or says FULL, also if parts of an older request wait for one. */
  int begin(int opcode, int bytes, R request) {
    requireOpen();
    if (slots.isFull() || splits.isWaiting()) {
      return Status.FULL;
    }
    counters.submitted(opcode);
    return slots.take(opcode, bytes, tick, request);
  }

  /** The next submission entry, which {@link #ring} makes known. */
  SubmissionEntry entry(int opcode, int cid, int nsid) {
    // There are more entries than command identifiers, so the tail never runs into the head.
    return sqe.wrap(segment, (long) tail * SubmissionEntry.BYTES)
        .clear()
        .command(opcode, cid)
        .nsid(nsid);
  }

  /**
   * Tells the drive of the entry that was filled in; if that was done by a handler, some at a time:
   * a drive that sleeps is woken for several, and one that is awake finds several.
   */
  void ring(int cid) {
    tail = tail + 1 == entries ? 0 : tail + 1;
    if (isAlive()) {
      slots.sent(cid);
      unrung++;
      if (!polling || unrung >= RING_BATCH) {
        ring();
      }
    }
  }

  private void ring() {
    if (unrung > 0) {
      unrung = 0;
      if (isAlive()) {
        doorbells.sqTail(tail);
      }
    }
  }

  /** Takes one completion; returns false if there is none, or one that makes no sense. */
  private boolean reap() {
    int last =
        cqe.wrap(segment, memory.cqOffset() + (long) head * CompletionEntry.BYTES)
            .lastDwordAcquire();
    if (CompletionEntry.phase(last) != phase) {
      return false;
    }
    int cid = CompletionEntry.cid(last);
    int sqHead = cqe.sqHead();
    if (!(slots.isTaken(cid) || slots.isForsaken(cid)) || sqHead >= entries) {
      controller.fail(
          ControllerState.FAILED,
          "queue pair %d: completion for CID %d, SQ head %d".formatted(id, cid, sqHead));
      return false;
    }
    head++;
    if (head == entries) {
      head = 0;
      phase ^= 1;
    }
    if (slots.isTaken(cid)) {
      finish(cid, CompletionEntry.status(last));
    }
    return true;
  }

  private void finish(int cid, int status) {
    int opcode = slots.opcode(cid);
    int split = slots.split(cid);
    counters.completed(opcode, slots.bytes(cid), status);
    if (split != CommandSlots.WHOLE) {
      slots.release(cid);
      finishPart(split, status);
      return;
    }
    R request = slots.request(cid);
    boolean isReport = opcode == NvmOpcode.RESERVATION_REPORT && status == Status.SUCCESS;
    if (isReport) {
      // A copy, so that what is checked stays as it was checked.
      MemorySegment.copy(segment, memory.smallOffset(cid), reportCopy, 0, QueueMemory.SMALL_BYTES);
    }
    slots.release(cid);
    if (isReport) {
      handler.reported(
          request, report, Math.min(report.registrantCount(), QueuePair.MAX_REGISTRANTS));
    } else {
      handler.completed(request, status);
    }
  }

  private void finishPart(int split, int status) {
    if (splits.answered(split, status)) {
      int whole = splits.status(split);
      boolean answered = splits.isForsaken(split);
      R request = splits.take(split);
      if (!answered) {
        handler.completed(request, whole);
      }
    }
  }

  /** The controller has failed: answers what the drive does not touch any more. */
  private int settle(int limit) {
    return switch (fate) {
      case SERVED -> 0; // it is being stopped
      case UNSETTLED -> askOwners(limit);
      case SETTLED -> answer(Status.GONE, limit);
    };
  }

  private int answerAll(int status) {
    return answer(status, Integer.MAX_VALUE);
  }

  /** Answers what is in flight, with GONE where the drive never learned of it. */
  private int answer(int status, int limit) {
    int done = cancelWaiting(limit);
    for (int cid = 0; cid < slots.depth() && done < limit; cid++) {
      if (slots.isTaken(cid)) {
        finish(cid, slots.isSent(cid) ? status : Status.GONE);
        done++;
      }
    }
    return done;
  }

  /** Sends no more parts of requests that were split. */
  private int cancelWaiting(int limit) {
    int done = 0;
    while (splits.isWaiting() && done < limit) {
      int index = splits.cancelFirst();
      if (index != SplitRequests.UNANSWERED) {
        handler.completed(splits.take(index), Status.GONE);
        done++;
      }
    }
    return done;
  }

  /** Asks each owner once whether it wants to wait for a drive that can't be stopped. */
  private int askOwners(int limit) {
    int done = cancelWaiting(limit);
    for (int cid = 0; cid < slots.depth() && done < limit; cid++) {
      if (!slots.isTaken(cid)) {
        continue;
      }
      if (!slots.isSent(cid)) {
        finish(cid, Status.GONE);
        done++;
      } else if (slots.ask(cid) && forsakes(cid)) {
        done++;
      }
    }
    return done;
  }

  private boolean forsakes(int cid) {
    int split = slots.split(cid);
    if (split == CommandSlots.WHOLE) {
      if (handler.unsettled(slots.request(cid))) {
        counters.completed(slots.opcode(cid), 0, Status.UNSETTLED);
        slots.forsake(cid);
        return true;
      }
    } else if (!splits.isForsaken(split) && handler.unsettled(splits.request(split))) {
      splits.forsake(split); // its parts stay where they are
      return true;
    }
    return false;
  }

  private void check() {
    long nowNs = clock().nanoTime();
    if (nowNs - nextCheckNs < 0) {
      return;
    }
    nextCheckNs = nowNs + CHECK_NS;
    if (!controller.checkPresence()) {
      return;
    }
    // Time as this thread saw it: a pause of this process is not held against the drive.
    tick++;
    if (abortEnded) {
      abortEnded = false;
      slots.abortEnds();
    }
    long limit = controller.options().ioTimeout().toNanos() / CHECK_NS;
    long grace = controller.options().adminTimeout().toNanos() / CHECK_NS;
    for (int cid = 0; cid < slots.depth(); cid++) {
      int age = slots.isTaken(cid) ? tick - slots.tick(cid) : 0;
      if (age > limit + grace) {
        controller.fail(
            ControllerState.FAILED,
            "queue pair %d: no answer to %s, CID %d, within %s, nor to its Abort"
                .formatted(
                    id, NvmOpcode.name(slots.opcode(cid)), cid, controller.options().ioTimeout()));
        return;
      }
      if (age > limit && !slots.isAborting() && slots.abort(cid)) {
        slots.abortBegins(cid);
        controller.abort(this, cid);
      }
    }
  }

  private Clock clock() {
    return controller.options().clock();
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("queue pair " + id + " of " + name + " is closed");
    }
  }
}
