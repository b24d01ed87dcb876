package io.twinspan.nvme;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/**
 * The admin queue pair: one command at a time, polled, each with a deadline. The controller's lock
 * guards it.
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

  private final NvmeController controller;
  private final DmaMemory memory;
  private final DmaRegion region;
  private final QueueDoorbells doorbells;
  private final Duration timeout;
  private final CompletionEntry cqe = new CompletionEntry();
  private int tail;
  private int head;
  private int phase;
  private int nextCid;

  AdminQueue(NvmeController controller, PciDevice device, int doorbellStride, Duration timeout) {
    this.controller = controller;
    this.timeout = timeout;
    doorbells = new QueueDoorbells(device, 0, doorbellStride);
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
    command.cid(cid).copyTo(memory.segment(), (long) tail * SubmissionEntry.BYTES);
    tail = (tail + 1) % ENTRIES;
    doorbells.sqTail(tail);
    BoundedWait wait = new BoundedWait(controller.options().clock(), timeout);
    cqe.wrap(memory.segment(), CQ_OFFSET + (long) head * CompletionEntry.BYTES);
    while (true) {
      int last = cqe.lastDwordAcquire();
      if (CompletionEntry.phase(last) == phase) {
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

  private Completion reap(int last, int cid, int opcode) {
    int answered = CompletionEntry.cid(last);
    int sqHead = cqe.sqHead();
    if (answered != cid || sqHead >= ENTRIES) {
      throw controller.failed(
          "admin command %s with CID %d was answered as CID %d, SQ head %d"
              .formatted(AdminOpcode.name(opcode), cid, answered, sqHead));
    }
    int result = cqe.result();
    head = (head + 1) % ENTRIES;
    phase ^= head == 0 ? 1 : 0;
    doorbells.cqHead(head);
    return new Completion(CompletionEntry.status(last), result, CompletionEntry.doNotRetry(last));
  }

  /** Frees the memory; the device has been closed. */
  @Override
  public void close() {
    memory.close();
  }
}
