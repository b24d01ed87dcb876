package io.twinspan.shelf;

import io.twinspan.nvme.CompletionEntry;
import io.twinspan.nvme.Status;

/**
 * A completion queue as the drive sees it: entries in the client's memory, the head in a doorbell
 * that the client may fill with anything (NVM Express 1.4, section 4.1).
 *
 * <p>Commands reserve a slot when they are fetched, so that whoever completes always finds one.
 */
final class CompletionQueue {
  private final int id;
  private final DmaMap.Region region;
  private final long base;
  private final int entries;
  private final int vector;
  private final boolean interrupts;
  private final Doorbells doorbells;
  private final CompletionEntry entry = new CompletionEntry();
  private int tail;
  private int phase = 1;
  private int head;
  private int reserved;
  private int submissionQueues;
  private boolean unsignalled;

  CompletionQueue(
      int id,
      DmaMap.Region region,
      long address,
      int entries,
      int vector,
      boolean interrupts,
      Doorbells doorbells) {
    this.id = id;
    this.region = region;
    this.base = region.offsetOf(address);
    this.entries = entries;
    this.vector = vector;
    this.interrupts = interrupts;
    this.doorbells = doorbells;
  }

  int id() {
    return id;
  }

  DmaMap.Region region() {
    return region;
  }

  int vector() {
    return vector;
  }

  /** Whether the client wants interrupts at all (IEN). */
  boolean interrupts() {
    return interrupts;
  }

  Doorbells doorbells() {
    return doorbells;
  }

  /** The client has given doorbells other places. */
  void doorbellsMoved() {
    doorbells.sawHead(head, entries);
  }

  /** How many submission queues complete here. */
  int submissionQueues() {
    return submissionQueues;
  }

  void attach() {
    submissionQueues++;
  }

  void detach() {
    submissionQueues--;
  }

  /** Sets a slot aside for a completion, or says that the client has left none. */
  boolean reserve() {
    if (free() <= reserved) {
      takeHead();
      if (free() <= reserved) {
        return false;
      }
    }
    reserved++;
    return true;
  }

  /** Gives a reserved slot back: the command's completion comes much later, or never. */
  void unreserve() {
    reserved--;
  }

  /** Writes a completion into a reserved slot. */
  void post(int result, SubmissionQueue sq, int cid, int status) {
    entry.wrap(region.segment(), base + (long) tail * CompletionEntry.BYTES);
    entry.publish(result, sq.head(), sq.id(), cid, status, doNotRetry(status), phase);
    reserved--;
    tail++;
    if (tail == entries) {
      tail = 0;
      phase ^= 1;
    }
    unsignalled = true;
  }

  /** Whether completions were posted since the last call. */
  boolean takeUnsignalled() {
    boolean was = unsignalled;
    unsignalled = false;
    return was;
  }

  private int free() {
    int used = tail - head;
    return entries - 1 - (used < 0 ? used + entries : used);
  }

  /** Believes the doorbell only if the client could have consumed that many. */
  private void takeHead() {
    int claimed = doorbells.cqHead();
    if (claimed < 0 || claimed >= entries) {
      return;
    }
    int used = tail - head;
    int consumed = claimed - head;
    if ((consumed < 0 ? consumed + entries : consumed) <= (used < 0 ? used + entries : used)) {
      head = claimed;
      doorbells.sawHead(head, entries);
    }
  }

  /** Whether the same command would fail again. */
  private static boolean doNotRetry(int status) {
    return switch (status) {
      case Status.SUCCESS,
          Status.DATA_TRANSFER_ERROR,
          Status.INTERNAL_ERROR,
          Status.ABORT_REQUESTED,
          Status.ABORTED_SQ_DELETION,
          Status.NAMESPACE_NOT_READY,
          Status.WRITE_FAULT,
          Status.UNRECOVERED_READ ->
          false;
      default -> true;
    };
  }
}
