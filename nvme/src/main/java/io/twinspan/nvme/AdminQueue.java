package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The admin queue pair: one command at a time, polled, each with a deadline; beside it Asynchronous
 * Event Requests, which wait at the controller for as long as nothing happens. The controller's
 * lock guards it.
 *
 * <p>Its memory: submission queue, completion queue, and a buffer for the data of commands.
 */
final class AdminQueue implements AutoCloseable {
  /** Entries of both queues. */
  static final int ENTRIES = 32;

  /** Size of the data buffer: two pages, so that PRP1 and PRP2 are enough. */
  static final int DATA_BYTES = 2 * Prp.PAGE_BYTES;

  private static final long CQ_OFFSET = 4096;
  private static final long DATA_OFFSET = 8192;
  private static final int HEALTH_ROUNDS = 512;

  /** Most Asynchronous Event Requests that wait. */
  private static final int MAX_EVENT_REQUESTS = 4;

  /** Command identifiers of Asynchronous Event Requests begin here, beyond those of others. */
  private static final int FIRST_EVENT_CID = 0x100;

  private final NvmeController controller;
  private final DmaMemory memory;
  private final DmaRegion region;
  private final Doorbells doorbells;
  private final Duration timeout;
  private final CompletionEntry cqe = new CompletionEntry();
  private int tail;
  private int head;
  private int phase;
  private int nextCid;

  /** A bit for each Asynchronous Event Request that waits at the controller. */
  private int waitingRequests;

  /** What the controller has reported and nobody has taken yet. */
  private final List<AsyncEvent> events = new ArrayList<>();

  private final @Nullable QueueInterrupt interrupt;

  AdminQueue(NvmeController controller, PciDevice device, int doorbellStride, Duration timeout) {
    this.controller = controller;
    this.timeout = timeout;
    doorbells = Doorbells.of(device, 0, doorbellStride, null);
    interrupt =
        device.interruptCount() > 0 ? new QueueInterrupt(device.interrupt(0), doorbells) : null;
    memory = DmaMemory.allocate("nvme-admin", DATA_OFFSET + DATA_BYTES);
    region = device.map(memory.memfd(), 0, memory.lengthBytes());
    clear();
  }

  long sqIova() {
    return region.iova();
  }

  long cqIova() {
    return region.iova() + CQ_OFFSET;
  }

  /** Empties both queues, as a disabled controller sees them. */
  void clear() {
    memory.segment().fill((byte) 0);
    tail = 0;
    head = 0;
    phase = 1;
    waitingRequests = 0;
    events.clear();
  }

  /** The vector that tells of events, if the device has one. */
  @Nullable WakeSource interrupt() {
    return interrupt;
  }

  /**
   * Sees to it that events can be reported.
   *
   * @param count how many at a time; at most 4
   */
  void requestEvents(int count) {
    for (int i = 0; i < Math.min(count, MAX_EVENT_REQUESTS); i++) {
      if ((waitingRequests & 1 << i) == 0) {
        waitingRequests |= 1 << i;
        submit(command(AdminOpcode.ASYNC_EVENT_REQUEST, 0), FIRST_EVENT_CID + i);
      }
    }
  }

  /** Takes the events that have been reported; does not wait. */
  List<AsyncEvent> takeEvents() {
    int last = nextCompletion();
    while (CompletionEntry.phase(last) == phase) {
      if (!takeEvent(last)) {
        throw strange(last, "no command");
      }
      last = nextCompletion();
    }
    List<AsyncEvent> taken = List.copyOf(events);
    events.clear();
    return taken;
  }

  /** A new, zeroed command. */
  static SubmissionEntry command(int opcode, int nsid) {
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    return new SubmissionEntry().wrap(entry, 0).command(opcode, 0).nsid(nsid);
  }

  /**
   * Sends a command with data and waits for its completion.
   *
   * @param data is copied to the buffer before, and back after it succeeded
   */
  Completion execute(SubmissionEntry command, MemorySegment data) {
    long length = data.byteSize();
    if (length > DATA_BYTES) {
      throw new IllegalArgumentException(
          "%d bytes of data, an administrative command takes %d".formatted(length, DATA_BYTES));
    }
    long iova = region.iova() + DATA_OFFSET;
    command.prp(iova, length > Prp.PAGE_BYTES ? iova + Prp.PAGE_BYTES : 0);
    MemorySegment.copy(data, 0, memory.segment(), DATA_OFFSET, length);
    Completion completion = execute(command);
    if (completion.isSuccess() && !data.isReadOnly()) {
      MemorySegment.copy(memory.segment(), DATA_OFFSET, data, 0, length);
    }
    return completion;
  }

  /** Sends a command, whose CID is set here, and waits for its completion. */
  Completion execute(SubmissionEntry command) {
    int cid = nextCid;
    nextCid = (nextCid + 1) % ENTRIES;
    submit(command, cid);
    BoundedWait wait = new BoundedWait(controller.options().clock(), timeout);
    while (true) {
      int last = nextCompletion();
      if (CompletionEntry.phase(last) == phase) {
        if (takeEvent(last)) {
          continue;
        }
        return reap(last, cid, command.opcode());
      }
      if (!wait.pause()) {
        throw controller.failed(
            "no answer to admin command %s within %s"
                .formatted(AdminOpcode.name(command.opcode()), timeout));
      }
      if (wait.rounds() % HEALTH_ROUNDS == 0) {
        controller.checkHealth();
      }
      controller.requireAlive();
    }
  }

  private void submit(SubmissionEntry command, int cid) {
    command.cid(cid).copyTo(memory.segment(), (long) tail * SubmissionEntry.BYTES);
    tail = (tail + 1) % ENTRIES;
    doorbells.sqTail(tail);
  }

  private int nextCompletion() {
    return cqe.wrap(memory.segment(), CQ_OFFSET + (long) head * CompletionEntry.BYTES)
        .lastDwordAcquire();
  }

  /** Takes a completion if it is that of an Asynchronous Event Request. */
  private boolean takeEvent(int last) {
    int index = CompletionEntry.cid(last) - FIRST_EVENT_CID;
    if (index < 0 || index >= MAX_EVENT_REQUESTS || (waitingRequests & 1 << index) == 0) {
      return false;
    }
    waitingRequests &= ~(1 << index);
    if (CompletionEntry.status(last) == Status.SUCCESS) {
      events.add(AsyncEvent.of(cqe.result()));
    }
    advance();
    return true;
  }

  private Completion reap(int last, int cid, int opcode) {
    if (CompletionEntry.cid(last) != cid || cqe.sqHead() >= ENTRIES) {
      throw strange(last, "admin command %s with CID %d".formatted(AdminOpcode.name(opcode), cid));
    }
    int result = cqe.result();
    advance();
    return new Completion(CompletionEntry.status(last), result, CompletionEntry.doNotRetry(last));
  }

  private void advance() {
    head = (head + 1) % ENTRIES;
    phase ^= head == 0 ? 1 : 0;
    doorbells.cqHead(head);
  }

  private NvmeException strange(int last, String what) {
    return controller.failed(
        "%s was answered as CID %d, SQ head %d"
            .formatted(what, CompletionEntry.cid(last), cqe.sqHead()));
  }

  /** Frees the memory; the device has been closed. */
  @Override
  public void close() {
    memory.close();
  }
}
