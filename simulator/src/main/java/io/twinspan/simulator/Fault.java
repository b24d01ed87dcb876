package io.twinspan.simulator;

/** What may happen to a simulated array. Faults overlap; each is mended after a while. */
public enum Fault {
  /** A controller's process is killed, and started again later. */
  CRASH,
  /**
   * A controller stands still: it is not told that it did, and finds the world changed. What it has
   * asked of the drives goes on.
   */
  PAUSE,
  /** The link is lost; each side finds out at its own time. It comes back at once. */
  CUT,
  /** The link is lost and stays away. */
  PARTITION,
  /** What one controller sends does not arrive; what it is sent does, until its peer finds out. */
  CUT_ONE_WAY,
  /** A controller is stopped in good order, if both are in step. */
  STOP,
  /** A controller's pools are handed to the other one, if both are in step, and back later. */
  HANDOVER,
  /** Nothing wakes a controller for a while but its own deadlines: doorbells are lost. */
  LOST_WAKEUP,
  /** The drives of a pool answer one controller nothing for a while. */
  DRIVE_STALL,
  /** Reads of a drive fail, for one controller. */
  READ_ERROR,
  /** A drive of each pool, always the same one, rots: a bit of some block flips. */
  BIT_ROT,
  /** The drive that rots is taken out of a pool, and in again later: it is rebuilt. */
  DRIVE_SWAP,
  /** No fault, but it moves data as well: a scrub. */
  SCRUB,
  /** No fault either: a snapshot or a clone of a volume is made, and deleted later. */
  SNAPSHOT,
  /**
   * A drive is gone for good: of three one at most, of four two that share no block; with parities
   * any two.
   */
  DRIVE_GONE,
  /** The drives of a pool are thin and find no room for a while. */
  FULL_MEDIUM,
  /** The pools are smaller than what hosts write, from the beginning. */
  FULL_POOL,
  /** A bit flips in the mirror of a log, which may be needed or not. */
  LOG_ROT,
  /** The clock leaps ahead by up to 100 ms, for both controllers. */
  CLOCK_JUMP,
  /** The clock of one controller leaps ahead, or runs fast or slow for a while. */
  CLOCK_SKEW,
  /** Both controllers and the drives lose power: what was not flushed may be lost or torn. */
  POWER_CUT
}
