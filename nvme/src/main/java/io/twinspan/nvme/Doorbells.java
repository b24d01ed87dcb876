package io.twinspan.nvme;

/** The two doorbells of one queue pair. For the queue pair's thread. */
interface Doorbells {
  /** Publishes the submission entries before a new tail, and wakes the drive if it sleeps. */
  void sqTail(int tail);

  /** Gives the completion entries before a new head back to the drive. */
  void cqHead(int head);

  /** Says whether completions are to be signalled; a full fence follows. */
  void interruptArmed(boolean armed);
}
