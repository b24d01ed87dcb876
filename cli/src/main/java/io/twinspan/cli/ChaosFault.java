package io.twinspan.cli;

/** What {@code twinspan chaos} does to an array. */
enum ChaosFault {
  /** SIGKILL for a controller, which is started again. */
  KILL,
  /** SIGSTOP for a controller, and SIGCONT up to two seconds later. */
  STOP,
  /** A controller's pools are handed to the other one, and back; nothing is to be noticed of it. */
  HANDOVER,
  /** The link ends while both controllers live, and may come back at once. */
  CUT,
  /** Commands of a drive fail, come late, or are never answered; or a bit of drive 0 flips. */
  DRIVE,
  /** SIGKILL for both controllers and the shelf: what was flushed must outlive it. */
  BLACKOUT
}
