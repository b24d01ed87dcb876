package io.twinspan.shelf;

import io.twinspan.nvme.SubmissionEntry;

/**
 * A submission queue as the drive sees it: entries in the client's memory, the tail in a doorbell
 * that the client may fill with anything (NVM Express 1.4, section 4.1).
 */
final class SubmissionQueue {
  /** What {@link #pending} returns when the tail lies outside of the queue. */
  static final int BAD_TAIL = -1;

  private final int id;
  private final DmaMap.Region region;
  private final long base;
  private final int entries;
  private final CompletionQueue completionQueue;
  private final Doorbells doorbells;
  private final QueueDomain domain;
  private int head;
  private boolean badTailReported;
  private long commands;
  private long bytes;
  private long errors;

  SubmissionQueue(
      int id,
      DmaMap.Region region,
      long address,
      int entries,
      CompletionQueue completionQueue,
      Doorbells doorbells,
      QueueDomain domain) {
    this.domain = domain;
    this.id = id;
    this.region = region;
    this.base = region.offsetOf(address);
    this.entries = entries;
    this.completionQueue = completionQueue;
    this.doorbells = doorbells;
  }

  int id() {
    return id;
  }

  DmaMap.Region region() {
    return region;
  }

  int entries() {
    return entries;
  }

  CompletionQueue completionQueue() {
    return completionQueue;
  }

  /** Says whether the drive is about to sleep; see {@link Doorbells#sleeping}. */
  void sleeping(boolean sleeping) {
    doorbells.sleeping(sleeping, head, entries);
  }

  /** The client has given doorbells other places. */
  void doorbellsMoved() {
    doorbells.sawTail(head, entries);
  }

  /** What its commands may touch. */
  QueueDomain domain() {
    return domain;
  }

  /** The next entry to be fetched, which completions tell the client. */
  int head() {
    return head;
  }

  /** How many entries the client has submitted and the drive not fetched, or {@link #BAD_TAIL}. */
  int pending() {
    int tail = doorbells.sqTail();
    if (tail == head) {
      return 0;
    }
    if (tail < 0 || tail >= entries) {
      return BAD_TAIL;
    }
    doorbells.sawTail(tail, entries);
    return tail > head ? tail - head : tail - head + entries;
  }

  /** Whether the bad tail is news; good tails make the next bad one news again. */
  boolean reportBadTail() {
    boolean news = !badTailReported;
    badTailReported = true;
    return news;
  }

  /** Copies the next entry, so that the client can no longer change it, and moves the head on. */
  void fetch(SubmissionEntry into) {
    badTailReported = false;
    into.copyFrom(region.segment(), base + (long) head * SubmissionEntry.BYTES);
    head = head + 1 == entries ? 0 : head + 1;
    commands++;
  }

  void countBytes(long count) {
    bytes += count;
  }

  void countError() {
    errors++;
  }

  /** Commands fetched since the queue was created. */
  long commands() {
    return commands;
  }

  /** Bytes of data moved for this queue or on their way, both directions. */
  long bytes() {
    return bytes;
  }

  /** Commands that ended with another status than success. */
  long errors() {
    return errors;
  }
}
