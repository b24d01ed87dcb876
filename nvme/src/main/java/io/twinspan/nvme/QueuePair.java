package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A private I/O queue pair, in memory of its own that it shares with the drive.
 *
 * <p>One thread owns it: all methods but {@link #counters}, {@link #inFlight} and the fixed
 * properties are for that thread. Nothing here blocks or allocates, except {@link #close}.
 * Submitting calls return {@link Status#SUCCESS}, {@link Status#FULL} or {@link
 * Status#BAD_ARGUMENT}; each request that was accepted is answered exactly once through the {@link
 * CompletionHandler} by {@link #poll}: with {@link Status#GONE} if the controller fails, goes away
 * or is reset, and also if that has happened before the request was submitted.
 *
 * <p>Data lies in memory mapped by {@link NvmeController#map}, at a multiple of 4 bytes, or
 * anywhere if the controller takes SGLs without alignment. It belongs to the drive until the
 * answer, and no answer comes while the drive might still touch it: a request that is not answered
 * in time is aborted; if that does not help either the controller is stopped, and what was in
 * flight is answered when it has stopped or has gone. For one that does neither see {@link
 * CompletionHandler#unsettled}.
 *
 * <p>A request of more blocks than one command takes, or across a boundary that the namespace asks
 * not to cross, becomes several commands, which are not atomic together; it is answered when all
 * have been, with the first error.
 *
 * @param <R> what the submitter hands over with a request and gets back with its completion
 */
public final class QueuePair<R> implements AutoCloseable {
  /** Most commands in flight. */
  public static final int MAX_DEPTH = 1023;

  /** Most registrants that {@link #reservationReport} receives. */
  public static final int MAX_REGISTRANTS =
      (QueueMemory.SMALL_BYTES - ReservationReport.HEADER_BYTES)
          / ReservationReport.REGISTRANT_BYTES;

  private final QueueOwner controller;
  private final QueueEngine<R> engine;
  private final MemorySegment range = MemorySegment.ofArray(new byte[DatasetRange.BYTES]);

  QueuePair(
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
        new QueueEngine<>(
            controller, device, id, depth, interrupts, doorbellStride, shadowDoorbells, handler));
  }

  QueuePair(QueueOwner controller, QueueEngine<R> engine) {
    this.controller = controller;
    this.engine = engine;
  }

  /** {@return the queues' identifier, from 1} */
  public int id() {
    return engine.id();
  }

  /** {@return the most commands in flight} */
  public int depth() {
    return engine.slots().depth();
  }

  /** {@return the number of commands in flight; approximate for other threads} */
  public int inFlight() {
    return engine.slots().inFlight();
  }

  /** {@return what the queue pair has done} */
  public QueueCounters counters() {
    return engine.counters();
  }

  /**
   * {@return whether the controller is still there to answer; once false it stays false. What was
   * in flight may be answered much later than that}
   */
  public boolean isAlive() {
    return engine.isAlive();
  }

  /**
   * Reads blocks.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1; best no more than one command takes ({@link
   *     NvmeController#maxTransferBytes})
   * @param data where to, in mapped memory
   * @param offset in it, in bytes
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int read(int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    return engine.transfer(NvmOpcode.READ, nsid, lba, blocks, data, offset, request);
  }

  /**
   * Writes blocks; they are durable after a later flush.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1; best no more than one command takes ({@link
   *     NvmeController#maxTransferBytes})
   * @param data where from, in mapped memory
   * @param offset in it, in bytes
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int write(int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    return engine.transfer(NvmOpcode.WRITE, nsid, lba, blocks, data, offset, request);
  }

  /**
   * Compares blocks with memory; {@link Status#COMPARE_FAILURE} if they differ.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1
   * @param data what they should hold, in mapped memory
   * @param offset in it, in bytes
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int compare(int nsid, long lba, int blocks, MemorySegment data, long offset, R request) {
    return engine.transfer(NvmOpcode.COMPARE, nsid, lba, blocks, data, offset, request);
  }

  /**
   * Has the drive read blocks and check them, without a transfer of data.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int verify(int nsid, long lba, int blocks, R request) {
    return engine.blocks(NvmOpcode.VERIFY, nsid, lba, blocks, 0, request);
  }

  /**
   * Makes reads of blocks fail with {@link Status#UNRECOVERED_READ} until they are written again.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int writeUncorrectable(int nsid, long lba, int blocks, R request) {
    return engine.blocks(NvmOpcode.WRITE_UNCORRECTABLE, nsid, lba, blocks, 0, request);
  }

  /**
   * Tells the drive about ranges of blocks, such as that it may deallocate them.
   *
   * @param nsid namespace
   * @param ranges as {@link DatasetRange} lays them out; copied, so any memory will do
   * @param count how many, 1 to {@value DatasetRange#MAX}
   * @param attributes {@link DatasetRange#DEALLOCATE} or another bit of CDW11
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int datasetManagement(
      int nsid, MemorySegment ranges, int count, int attributes, R request) {
    long bytes = (long) count * DatasetRange.BYTES;
    if (count < 1 || count > DatasetRange.MAX || ranges.byteSize() < bytes) {
      return Status.BAD_ARGUMENT;
    }
    int cid = engine.begin(NvmOpcode.DATASET_MANAGEMENT, request);
    if (cid >= 0) {
      long page = engine.memory().pageOffset(cid);
      MemorySegment.copy(ranges, 0, engine.memory().segment(), page, bytes);
      engine
          .entry(NvmOpcode.DATASET_MANAGEMENT, cid, nsid)
          .prp(engine.memory().iova(page), 0)
          .cdw(10, count - 1)
          .cdw(11, attributes);
      engine.ring(cid);
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /**
   * Lets the drive forget what one range of blocks holds.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int deallocate(int nsid, long lba, int blocks, R request) {
    if (blocks < 1) {
      return Status.BAD_ARGUMENT;
    }
    DatasetRange.set(range, 0, lba, blocks);
    return datasetManagement(nsid, range, 1, DatasetRange.DEALLOCATE, request);
  }

  /**
   * Makes every write of the namespace that was answered before durable.
   *
   * @param nsid namespace
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS} or {@link Status#FULL}
   */
  public int flush(int nsid, R request) {
    int cid = engine.begin(NvmOpcode.FLUSH, request);
    if (cid >= 0) {
      engine.entry(NvmOpcode.FLUSH, cid, nsid);
      engine.ring(cid);
    }
    return Math.min(cid, Status.SUCCESS);
  }

  /**
   * Makes blocks read as zeroes, without a transfer of data.
   *
   * @param nsid namespace
   * @param lba first logical block
   * @param blocks number of blocks, at least 1
   * @param deallocate whether the drive may give the space back
   * @param request comes back with the completion
   * @return {@link Status#SUCCESS}, {@link Status#FULL} or {@link Status#BAD_ARGUMENT}
   */
  public int writeZeroes(int nsid, long lba, int blocks, boolean deallocate, R request) {
    int control = deallocate ? SubmissionEntry.DEALLOCATE : 0;
    return engine.blocks(NvmOpcode.WRITE_ZEROES, nsid, lba, blocks, control, request);
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
    int cid = engine.begin(NvmOpcode.RESERVATION_REPORT, request);
    if (cid >= 0) {
      long data = engine.memory().smallOffset(cid);
      engine.memory().segment().asSlice(data, QueueMemory.SMALL_BYTES).fill((byte) 0);
      engine
          .entry(NvmOpcode.RESERVATION_REPORT, cid, nsid)
          .prp(engine.memory().iova(data), 0)
          .cdw(10, QueueMemory.SMALL_BYTES / 4 - 1)
          .cdw(11, Reservation.EXTENDED_DATA);
      engine.ring(cid);
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
    return engine.poll(limit);
  }

  /**
   * {@return when {@link #poll} must be called even if nothing wakes its thread, in the time of
   * {@link NvmeOptions#clock}; {@link Long#MAX_VALUE} for never}
   */
  public long nextDeadlineNs() {
    return engine.nextDeadlineNs();
  }

  /**
   * {@return what ends the sleep of this queue pair's thread when a completion comes; closed with
   * the queue pair}
   *
   * @throws NvmeException if the queue pair was created without interrupts, or the device has none
   *     for it
   */
  public WakeSource wakeSource() {
    WakeSource interrupt = engine.interrupt();
    if (interrupt == null) {
      throw new NvmeException(
          "queue pair %d of %s was created without interrupts, or there are none for it"
              .formatted(id(), engine.name()));
    }
    return interrupt;
  }

  /**
   * Deletes the queues, and answers what is in flight with {@link Status#GONE}. Blocks for two
   * administrative commands; if the controller does not carry them out, until it has been stopped,
   * and if it can't be stopped, what the drive may still touch is answered with {@link
   * Status#UNSETTLED}. A second call does nothing.
   */
  @Override
  public void close() {
    if (!engine.isClosed()) {
      controller.release(this);
      engine.close();
    }
  }

  long sqIova() {
    return engine.memory().iova(0);
  }

  long cqIova() {
    return engine.memory().iova(engine.memory().cqOffset());
  }

  int entries() {
    return engine.entries();
  }

  boolean hasInterrupt() {
    return engine.interrupt() != null;
  }

  DmaRegion region() {
    return engine.memory().region();
  }

  QueueEngine<R> engine() {
    return engine;
  }

  /** Frees the memory of a queue pair that the drive never learned of. */
  void discard() {
    engine.discard();
  }

  private int reserve(int opcode, int nsid, int cdw10, long currentKey, long other, R request) {
    int cid = engine.begin(opcode, request);
    if (cid >= 0) {
      long data = engine.memory().smallOffset(cid);
      engine
          .memory()
          .segment()
          .set(LittleEndian.LONG, data + Reservation.CURRENT_KEY_OFFSET, currentKey);
      engine.memory().segment().set(LittleEndian.LONG, data + Reservation.OTHER_KEY_OFFSET, other);
      engine.entry(opcode, cid, nsid).prp(engine.memory().iova(data), 0).cdw(10, cdw10);
      engine.ring(cid);
    }
    return Math.min(cid, Status.SUCCESS);
  }
}
