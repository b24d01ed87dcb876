package io.twinspan.cli;

/** What {@code twinspan chaos} does to an array. */
enum ChaosFault {
  /** SIGKILL for a controller, which is started again. */
  KILL(3),
  /** SIGSTOP for a controller, and SIGCONT up to a second later. */
  STOP(3),
  /** A controller's pools are handed to the other one, and back; nothing is to be noticed of it. */
  HANDOVER(3),
  /** The link ends while both controllers live, and may come back at once. */
  CUT(3),
  /** Commands of a drive fail, come late, or are never answered; or a bit of drive 0 flips. */
  DRIVE(3),
  /** Drive 0 is taken out of the pools, and some faults later into them again, and rebuilt. */
  EXCHANGE(1),
  /** SIGKILL for both controllers and the shelf: what was flushed must outlive it. */
  BLACKOUT(1);

  /** How often it comes, beside the others: what takes long is seldom. */
  final int weight;

  ChaosFault(int weight) {
    this.weight = weight;
  }
}
