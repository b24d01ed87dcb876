package io.twinspan.shelf;

/**
 * The two doorbells of one queue pair as the drive sees them, and by what else it and its client
 * tell each other that they sleep. What the client leaves there is untrusted. The drive's agent
 * thread owns it; nothing here allocates.
 */
interface Doorbells {
  /** The submission queue's tail, read with acquire. */
  int sqTail();

  /** The completion queue's head, read with acquire. */
  int cqHead();

  /** Begins with a new submission queue, whose tail is 0. */
  void beginSubmissions();

  /** Begins with a new completion queue, whose head is 0. */
  void beginCompletions();

  /** Says which tail was seen last by a drive that is awake, of how many entries. */
  void sawTail(int tail, int entries);

  /** Says which head was seen last, of how many entries. */
  void sawHead(int head, int entries);

  /**
   * Says that the drive is about to sleep and wants to be woken by the next tail, or that it is
   * awake. A full fence follows.
   *
   * @param tail the last one seen, of how many {@code entries}
   */
  void sleeping(boolean sleeping, int tail, int entries);

  /**
   * Whether the client wants an interrupt and was not told of this sleep before; after a full fence
   * that follows the completion.
   */
  boolean takesInterrupt();

  /** What a reset does. */
  void clear();
}
