package io.twinspan.pool;

/** What a {@link DriveRequest} asks of a drive. Reservations: NVM Express 1.4, section 8.8. */
public enum DriveOperation {
  /** Reads {@code blockCount} blocks from {@code block} into {@code data}. */
  READ,
  /** Writes {@code blockCount} blocks from {@code data} at {@code block}. */
  WRITE,
  /** Makes every write that completed before this was submitted survive a loss of power. */
  FLUSH,
  /** Registers {@code key} for this host (any key registered before is replaced). */
  RESERVATION_REGISTER,
  /** Removes this host's registration of {@code key}. */
  RESERVATION_UNREGISTER,
  /**
   * Acquires an Exclusive Access reservation with {@code key}; a conflict when somebody else holds
   * one.
   */
  RESERVATION_ACQUIRE,
  /**
   * With {@code key}, removes the registration {@code otherKey} and takes the reservation if {@code
   * otherKey} held it or nobody did. Commands of the preempted host fail with {@link
   * Drive#RESERVATION_CONFLICT} from then on. A conflict when {@code key} itself is not registered
   * (any more).
   */
  RESERVATION_PREEMPT,
  /** Gives back the reservation held with {@code key}; stays registered. */
  RESERVATION_RELEASE,
  /**
   * Reports the holder's key into {@link DriveRequest#holder} (0: none) and the registered keys'
   * number.
   */
  RESERVATION_REPORT
}
