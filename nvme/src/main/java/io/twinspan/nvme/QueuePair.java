package io.twinspan.nvme;

import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A private I/O queue pair, in memory of its own that it shares with the drive.
 *
 * <p>One thread owns it: all methods but {@link #counters}, {@link #inFlight} and the fixed
 * properties are for that thread. Nothing here blocks or allocates, except {@link #close}.
 * Submitting calls return {@link Status#SUCCESS}, {@link Status#FULL} or {@link
 * Status#BAD_ARGUMENT}; each command that was accepted is answered exactly once through the {@link
 * CompletionHandler} by {@link #poll}: with {@link Status#GONE} if the controller fails, goes away
 * or is reset, and also if that has happened before the command was submitted.
 *
 * <p>Data lies in memory mapped by {@link NvmeController#map}, at a multiple of 4 bytes. It belongs
 * to the drive until the completion. After GONE a drive that was not reset in time might still
 * touch it.
 *
 * <p>Memory, from its start: submission queue, completion queue (each a multiple of 4 KiB), then a
 * page for each command identifier: half for its PRP list, half for the data of reservation
 * commands.
 *
 * @param <R> what the submitter hands over with a command and gets back with its completion
 */
public final class QueuePair<R> implements AutoCloseable {
  /** Most commands in flight. */
  public static final int MAX_DEPTH = 1023;

  private static final int COMMAND_BYTES = Prp.PAGE_BYTES;
  private static final int SMALL_DATA_OFFSET = Prp.LIST_BYTES;
  private static final int SMALL_DATA_BYTES = COMMAND_BYTES - Prp.LIST_BYTES;

  /** Most registrants that {@link #reservationReport} receives. */
  public static final int MAX_REGISTRANTS =
      (SMALL_DATA_BYTES - ReservationReport.HEADER_BYTES) / ReservationReport.REGISTRANT_BYTES;

  /** How often a queue without completions looks whether the device is there and in time. */
  private static final long CHECK_NS = 20_000_000;

  private static final byte FREE = -1;

  private final NvmeController controller;
  private final PciDevice device;
  private final int id;
  private final int depth;
  private final int entries;
  private final CompletionHandler<? super R> handler;
  private final DmaMemory memory;
  private final MemorySegment segment;
  private final DmaRegion region;
  private final QueueDoorbells doorbells;
  private final long cqOffset;
  private final long commandsOffset;
  private final @Nullable Interrupt interrupt;
  private final QueueCounters counters = new QueueCounters();
  private final SubmissionEntry sqe = new SubmissionEntry();
  private final CompletionEntry cqe = new CompletionEntry();
  private final MemorySegment reportCopy = MemorySegment.ofArray(new byte[SMALL_DATA_BYTES]);
  private final ReservationReport report = new ReservationReport().wrap(reportCopy, 0);

  // A slot for each command identifier.
  private final int[] freeCids;
  private final byte[] opcodes;
  private final int[] byteCounts;
  private final int[] submittedTicks;
  private final Object[] requests;

  private int freeCount;
  private int tail;
  private int head;
  private int phase = 1;
  private int tick;
  private long nextCheckNs;
  private boolean closed;

  /** Whether the controller behind this queue pair is no more; writer: whoever notices. */
  private volatile boolean lost;

  QueuePair(
      NvmeController controller,
      PciDevice device,
      int id,
      int depth,
      int doorbellStride,
      CompletionHandler<? super R> handler) {
    this.controller = controller;
    this.device = device;
    this.id = id;
    this.depth = depth;
    this.handler = handler;
    entries = depth + 1;
    cqOffset = pages((long) entries * SubmissionEntry.BYTES);
    commandsOffset = cqOffset + pages((long) entries * CompletionEntry.BYTES);
    freeCids = new int[depth];
    opcodes = new byte[depth];
    byteCounts = new int[depth];
    submittedTicks = new int[depth];
    requests = new Object[depth];
    for (int cid = depth - 1; cid >= 0; cid--) {
      opcodes[cid] = FREE;
      freeCids[freeCount++] = cid;
    }
    doorbells = new QueueDoorbells(device, id, doorbellStride);
    interrupt = id < device.interruptCount() ? new Interrupt(device.interrupt(id)) : null;
    memory = DmaMemory.allocate("nvme-queue", commandsOffset + (long) depth * COMMAND_BYTES);
    segment = memory.segment();
    region = device.map(memory.memfd(), 0, memory.lengthBytes());
  }

  /** {@return the queues' identifier, from 1} */
  public int id() {
    return id;
  }

  /** {@return the most commands in flight} */
  public int depth() {
    return depth;
  }

  /** {@return the number of commands in flight; approximate for other threads} */
  public int inFlight() {
    return depth - freeCount;
  }

  /** {@return what the queue pair has done} */
  public QueueCounters counters() {
    return counters;
  }

  /** {@return whether the controller still answers; once false it stays false} */
  public boolean isAlive() {
    return !lost;
  }

  /**
   * Reads blocks.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1, at most {@link NvmeController#maxTransferBytes} in
   *     bytes
   * @param data where to, in mapped memory
   * @param offset in it, in bytes
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int read(int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    return transfer(NvmOpcode.READ, nsid, lba, blocks, data, offset, request);
  }

  /**
   * Writes blocks; they are durable after a later flush.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1, at most {@link NvmeController#maxTransferBytes} in
   *     bytes
   * @param data where from, in mapped memory
   * @param offset in it, in bytes
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int write(int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    return transfer(NvmOpcode.WRITE, nsid, lba, blocks, data, offset, request);
  }

  /**
   * Makes every write of the namespace that was answered before durable.
   *
   * @param nsid namespace
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int flush(int nsid, R request) {
    int cid = begin(NvmOpcode.FLUSH, 0, request);
    if (cid >= 0) {
      entry(NvmOpcode.FLUSH, cid, nsid);
      ring();
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /**
   * Makes blocks read as zeroes, without a transfer of data.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, 1 to 65536
   * @param deallocate whether the drive may give the space back
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int writeZeroes(int nsid, long lba, int blocks, boolean deallocate, R request) {
    if (blocks < 1 || blocks > 1 << 16) {
      return Status.BAD_ARGUMENT;
    }
    int cid = begin(NvmOpcode.WRITE_ZEROES, 0, request);
    if (cid >= 0) {
      int control = deallocate ? SubmissionEntry.DEALLOCATE : 0;
      entry(NvmOpcode.WRITE_ZEROES, cid, nsid).blocks(lba, blocks, control);
      ring();
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /**
   * Registers, unregisters or replaces this host's reservation key.
   *
   * @param nsid namespace
   * @param action {@link Reservation#REGISTER}, {@link Reservation#UNREGISTER} or {@link
   *     Reservation#REPLACE}
   * @param ignoreExistingKey whether {@code currentKey} does not matter
   * @param currentKey CRKEY
   * @param newKey NRKEY
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int reservationRegister(
      int nsid, int action, boolean ignoreExistingKey, long currentKey, long newKey, R request) {
    int cdw10 =
        Reservation.cdw10(action, 0) | (ignoreExistingKey ? Reservation.IGNORE_EXISTING_KEY : 0);
    return reserve(NvmOpcode.RESERVATION_REGISTER, nsid, cdw10, currentKey, newKey, request);
  }

  /**
   * Acquires a reservation, or preempts another host.
   *
   * @param nsid namespace
   * @param action {@link Reservation#ACQUIRE}, {@link Reservation#PREEMPT} or {@link
   *     Reservation#PREEMPT_AND_ABORT}
   * @param type such as {@link Reservation#EXCLUSIVE_ACCESS}
   * @param currentKey CRKEY, this host's key
   * @param preemptedKey PRKEY, the key to be unregistered; 0 for ACQUIRE
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int reservationAcquire(
      int nsid, int action, int type, long currentKey, long preemptedKey, R request) {
    int cdw10 = Reservation.cdw10(action, type);
    return reserve(NvmOpcode.RESERVATION_ACQUIRE, nsid, cdw10, currentKey, preemptedKey, request);
  }

  /**
   * Releases a reservation, or clears it with all registrations.
   *
   * @param nsid namespace
   * @param action {@link Reservation#RELEASE} or {@link Reservation#CLEAR}
   * @param type the type of the reservation that is held
   * @param currentKey CRKEY, this host's key
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int reservationRelease(int nsid, int action, int type, long currentKey, R request) {
    int cdw10 = Reservation.cdw10(action, type);
    return reserve(NvmOpcode.RESERVATION_RELEASE, nsid, cdw10, currentKey, 0, request);
  }

  /**
   * Asks who holds and who has registered, in the extended form with 128-bit host identifiers;
   * success is told by {@link CompletionHandler#reported}.
   *
   * @param nsid namespace
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int reservationReport(int nsid, R request) {
    int cid = begin(NvmOpcode.RESERVATION_REPORT, 0, request);
    if (cid >= 0) {
      long data = smallData(cid);
      segment.asSlice(data, SMALL_DATA_BYTES).fill((byte) 0);
      entry(NvmOpcode.RESERVATION_REPORT, cid, nsid)
          .prp(region.iova() + data, 0)
          .cdw(10, SMALL_DATA_BYTES / 4 - 1)
          .cdw(11, Reservation.EXTENDED_DATA);
      ring();
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /**
   * Takes completions and hands them to the handler; when there are none, looks now and then
   * whether the device is still there.
   *
   * @param limit most completions to take, at least 1
   * @return how many were taken
   */
  public int poll(int limit) {
    requireOpen();
    int done = 0;
    try {
      while (done < limit && reap()) {
        done++;
      }
    } finally {
      if (done > 0 && !lost) {
        doorbells.cqHead(head);
      }
    }
    if (done == 0 && !lost) {
      check();
    }
    return lost && done < limit ? done + abandon(limit - done) : done;
  }

  /**
   * {@return when {@link #poll} must be called even if nothing wakes its thread, in the time of
   * {@link NvmeOptions#clock}; {@link Long#MAX_VALUE} for never}
   */
  public long nextDeadlineNs() {
    return freeCount == depth ? Long.MAX_VALUE : nextCheckNs;
  }

  /**
   * {@return what ends the sleep of this queue pair's thread when a completion comes; closed with
   * the queue pair}
   *
   * @throws NvmeException if the device has no interrupt for it
   */
  public WakeSource wakeSource() {
    if (interrupt == null) {
      throw new NvmeException(
          "%s has %d interrupts, none for queue pair %d"
              .formatted(device.name(), device.interruptCount(), id));
    }
    return interrupt;
  }

  /**
   * Deletes the queues, answers what is in flight with {@link Status#GONE}, and frees the memory.
   * Blocks for two administrative commands. A second call does nothing.
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    controller.delete(this);
    lost = true;
    while (abandon(depth) > 0) {
      // Handlers may have submitted again.
    }
    closed = true;
    // A drive that could not be stopped has the memfd's pages to itself: nobody gets them before it
    // lets go.
    memory.close();
  }

  long sqIova() {
    return region.iova();
  }

  long cqIova() {
    return region.iova() + cqOffset;
  }

  int entries() {
    return entries;
  }

  boolean hasInterrupt() {
    return interrupt != null;
  }

  DmaRegion region() {
    return region;
  }

  /** The controller is no more: from now on {@link #poll} answers with GONE. Any thread. */
  void lose() {
    lost = true;
  }

  /** Frees the memory of a queue pair that the drive never learned of. */
  void discard() {
    lost = true;
    closed = true;
    memory.close();
  }

  private int transfer(
      int opcode, int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    int blockShift = controller.blockShift(nsid);
    if (blockShift == 0 || blocks < 1) {
      return Status.BAD_ARGUMENT;
    }
    long bytes = (long) blocks << blockShift;
    long iova = controller.iovaOf(data, offset, bytes);
    if (bytes > controller.maxTransferBytes() || iova == DmaWindows.UNMAPPED || (iova & 3) != 0) {
      return Status.BAD_ARGUMENT;
    }
    int cid = begin(opcode, (int) bytes, request);
    if (cid < 0) {
      return cid;
    }
    long list = commandsOffset + (long) cid * COMMAND_BYTES;
    long prp2 = Prp.second(iova, (int) bytes, segment, list, region.iova() + list);
    entry(opcode, cid, nsid).prp(iova, prp2).blocks(lba, blocks, 0);
    ring();
    return Status.SUCCESS;
  }

  private int reserve(int opcode, int nsid, int cdw10, long currentKey, long other, R request) {
    int cid = begin(opcode, 0, request);
    if (cid >= 0) {
      long data = smallData(cid);
      segment.set(LittleEndian.LONG, data + Reservation.CURRENT_KEY_OFFSET, currentKey);
      segment.set(LittleEndian.LONG, data + Reservation.OTHER_KEY_OFFSET, other);
      entry(opcode, cid, nsid).prp(region.iova() + data, 0).cdw(10, cdw10);
      ring();
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /** Takes a command identifier, or says FULL. */
  private int begin(int opcode, int bytes, R request) {
    requireOpen();
    if (freeCount == 0) {
      return Status.FULL;
    }
    int cid = freeCids[--freeCount];
    opcodes[cid] = (byte) opcode;
    byteCounts[cid] = bytes;
    submittedTicks[cid] = tick;
    requests[cid] = request;
    counters.submitted(opcode);
    return cid;
  }

  private SubmissionEntry entry(int opcode, int cid, int nsid) {
    // There are more entries than command identifiers, so the tail never runs into the head.
    return sqe.wrap(segment, (long) tail * SubmissionEntry.BYTES)
        .clear()
        .command(opcode, cid)
        .nsid(nsid);
  }

  private void ring() {
    tail = tail + 1 == entries ? 0 : tail + 1;
    if (!lost) {
      doorbells.sqTail(tail);
    }
  }

  /** Takes one completion; returns false if there is none, or one that makes no sense. */
  private boolean reap() {
    int last = cqe.wrap(segment, cqOffset + (long) head * CompletionEntry.BYTES).lastDwordAcquire();
    if (CompletionEntry.phase(last) != phase) {
      return false;
    }
    int cid = CompletionEntry.cid(last);
    int sqHead = cqe.sqHead();
    if (cid >= depth || opcodes[cid] == FREE || sqHead >= entries) {
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
    finish(cid, CompletionEntry.status(last));
    return true;
  }

  private void finish(int cid, int status) {
    int opcode = opcodes[cid];
    @SuppressWarnings("unchecked") // only begin() stores there
    R request = (R) requests[cid];
    boolean isReport = opcode == NvmOpcode.RESERVATION_REPORT && status == Status.SUCCESS;
    if (isReport) {
      // A copy, so that what is checked stays as it was checked.
      MemorySegment.copy(segment, smallData(cid), reportCopy, 0, SMALL_DATA_BYTES);
    }
    counters.completed(opcode, byteCounts[cid], status);
    opcodes[cid] = FREE;
    requests[cid] = NO_REQUEST;
    freeCids[freeCount++] = cid;
    if (isReport) {
      handler.reported(request, report, Math.min(report.registrantCount(), MAX_REGISTRANTS));
    } else {
      handler.completed(request, status);
    }
  }

  /** Answers what is in flight at a controller that is no more. */
  private int abandon(int limit) {
    int done = 0;
    for (int cid = 0; cid < depth && done < limit && freeCount < depth; cid++) {
      if (opcodes[cid] != FREE) {
        finish(cid, Status.GONE);
        done++;
      }
    }
    return done;
  }

  private void check() {
    long nowNs = clock().nanoTime();
    if (nowNs - nextCheckNs < 0) {
      return;
    }
    nextCheckNs = nowNs + CHECK_NS;
    // Time as this thread saw it: a pause of this process is not held against the drive.
    tick++;
    if (!device.isPresent()) {
      controller.fail(ControllerState.GONE, "the device is gone");
      return;
    }
    long limit = controller.options().ioTimeout().toNanos() / CHECK_NS;
    for (int cid = 0; cid < depth; cid++) {
      if (opcodes[cid] != FREE && tick - submittedTicks[cid] > limit) {
        controller.fail(
            ControllerState.FAILED,
            "queue pair %d: no answer to %s, CID %d, within %s"
                .formatted(
                    id, NvmOpcode.name(opcodes[cid]), cid, controller.options().ioTimeout()));
        return;
      }
    }
  }

  private long smallData(int cid) {
    return commandsOffset + (long) cid * COMMAND_BYTES + SMALL_DATA_OFFSET;
  }

  private Clock clock() {
    return controller.options().clock();
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("queue pair " + id + " of " + device.name() + " is closed");
    }
  }

  private static long pages(long bytes) {
    return (bytes + Prp.PAGE_BYTES - 1) & -Prp.PAGE_BYTES;
  }

  /** What lies in a free slot. */
  private static final Object NO_REQUEST = new Object();

  /** The queue pair's MSI-X vector, which the drive signals only while it is armed. */
  private final class Interrupt implements WakeSource {
    private final EventFd event;
    private boolean armed;

    Interrupt(EventFd event) {
      this.event = event;
    }

    @Override
    public void arm() {
      armed = true;
      doorbells.interruptArmed(true);
    }

    @Override
    public void disarm() {
      if (armed) {
        armed = false;
        doorbells.interruptArmed(false);
        var _ = event.drain();
      }
    }

    @Override
    public Fd fd() {
      return event.fd();
    }
  }
}
