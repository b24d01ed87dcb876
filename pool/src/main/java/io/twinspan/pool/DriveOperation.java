package io.twinspan.pool;

/** What a {@link DriveRequest} asks of a drive. Reservations: NVM Express 1.4, section 8.8. */
public enum DriveOperation {
  /** Reads {@code blockCount} blocks from {@code block} into {@code data}. */
  READ,
  /** Writes {@code blockCount} blocks from {@code data} at {@code block}. */
  WRITE,
  /** Makes every write that completed before this was submitted survive a loss of power. */
  FLUSH,
  /**
   * Registers {@code key} for this host. Registering the same key again does nothing; a conflict
   * when this host has registered another one.
   */
  RESERVATION_REGISTER,
  /**
   * Registers {@code key} again, which only changes the generation. A conflict when {@code key} is
   * not this host's.
   */
  RESERVATION_RENEW,
  /**
   * Removes this host's registration of {@code key}, and with it the reservation if this host holds
   * it. A conflict when {@code key} is not this host's.
   */
  RESERVATION_UNREGISTER,
  /**
   * Acquires an Exclusive Access reservation with {@code key}; does nothing when this host holds it
   * already. A conflict when another host holds it, or {@code key} is not this host's.
   */
  RESERVATION_ACQUIRE,
  /**
   * With {@code key}, removes the registration of {@code otherKey}, and takes the reservation if
   * {@code otherKey} held it; if nobody did, nobody does afterwards. Commands of the preempted host
   * fail with {@link Drive#RESERVATION_CONFLICT} from then on. A conflict when {@code key} is not
   * this host's (any more), or {@code otherKey} is nobody's.
   */
  RESERVATION_PREEMPT,
  /**
   * Gives back the reservation; does nothing when this host does not hold it. Stays registered. A
   * conflict when {@code key} is not this host's.
   */
  RESERVATION_RELEASE,
  /**
   * Reports the holder's key into {@link DriveRequest#holder} (0: none), the registered keys and
   * their number, and the generation.
   */
  RESERVATION_REPORT
}
