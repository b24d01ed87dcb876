package io.twinspan.simulator;

/** What may happen to a simulated array. Faults overlap; each is mended after a while. */
public enum Fault {
  /** A controller's process is killed, and started again later. */
  CRASH,
  /** A controller stands still: it is not told that it did, and finds the world changed. */
  PAUSE,
  /** The link is lost; each side finds out at its own time. It comes back at once. */
  CUT,
  /** The link is lost and stays away. */
  PARTITION,
  /** A controller is stopped in good order, if both are in step. */
  STOP,
  /** The drives of a pool answer one controller nothing for a while. */
  DRIVE_STALL,
  /** Reads of a drive fail, for one controller. */
  READ_ERROR,
  /** A drive of each pool, always the same one, rots: a bit of some block flips. */
  BIT_ROT,
  /** The clock leaps ahead by up to 100 ms, for both controllers. */
  CLOCK_JUMP,
  /** Both controllers and the drives lose power: what was not flushed may be lost or torn. */
  POWER_CUT
}
