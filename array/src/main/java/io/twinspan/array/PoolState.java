package io.twinspan.array;

import java.util.EnumSet;
import java.util.Set;

/**
 * A controller's part in one pool.
 *
 * <pre>
 *  from             to
 *  STARTING         STANDBY (peer owns) · FENCING (nobody owns, or no peer found in time) · STOPPED
 *  STANDBY          FENCING (link lost, or the pool was handed to us, or nobody owns) · STOPPED
 *  FENCING          OPENING (majority won) · LOST (conflict) · STOPPED
 *  OPENING          REPLAYING (the drives name a log that is here) · OWNER_ALONE (they name none)
 *                   · AWAITING_LOG (they name one that is not) · FENCING (try again)
 *                   · STANDBY (handover refused) · LOST
 *  AWAITING_LOG     OWNER_ALONE (the log is nowhere any more) · STARTING (the peer has it)
 *                   · LOST · STOPPED
 *  REPLAYING        OWNER_ALONE · LOST
 *  OWNER_ALONE      RESYNCING (peer ready) · FROZEN (link lost) · STOPPING · LOST
 *  RESYNCING        OWNER_MIRRORED · OWNER_ALONE (took too long)
 *                   · FROZEN (link lost, or the peer leaves) · STOPPING · LOST
 *  OWNER_MIRRORED   FROZEN (link lost, or the peer leaves) · HANDING_OVER · STOPPING · LOST
 *  FROZEN           SETTLING (peer fenced) · LOST
 *  SETTLING         OWNER_ALONE (log on the drives, and they say so) · LOST
 *  HANDING_OVER     STANDBY (peer serves) · FENCING (refused, or link lost after the close)
 *                   · FROZEN (link lost before it) · OWNER_MIRRORED (took too long) · LOST
 *  STOPPING         STOPPED · LOST
 *  LOST             STANDBY (peer owns) · FENCING (nobody owns, or the peer's process has ended, or
 *                   it gives no sign of life at the drives) · STOPPED
 *  STOPPED          final
 * </pre>
 */
public enum PoolState {
  /** Nothing is known yet; waits for the peer, with a deadline. Requests wait. */
  STARTING,
  /** The peer serves; requests are forwarded to it. Keeps the mirror. */
  STANDBY,
  /** Takes the drives' reservations from whoever holds them. Requests wait. */
  FENCING,
  /** Holds a majority of the drives; opens the pool, which persists a new epoch. Requests wait. */
  OPENING,
  /**
   * Holds the drives; what was acknowledged may be in the other controller's memory only: waits for
   * it, or for certainty that it is gone. Requests wait.
   */
  AWAITING_LOG,
  /** Writes what the mirror, or its own log, holds to the pool. Requests wait. */
  REPLAYING,
  /** Serves; acknowledges a write when the drives hold it. */
  OWNER_ALONE,
  /** Serves alone; an empty mirror, and its name on the drives, are on their way. */
  RESYNCING,
  /** Serves; acknowledges a write when both logs hold it. */
  OWNER_MIRRORED,
  /** Was serving and loses its peer: fences it at the drives. Requests wait. */
  FROZEN,
  /** Has fenced the peer; empties the log onto the drives, then has them say so. */
  SETTLING,
  /** Gives the pool to the peer in good order. Requests wait. */
  HANDING_OVER,
  /** Closes the pool for a clean end of this controller. */
  STOPPING,
  /**
   * Another controller took the drives. Requests are answered with SHUTDOWN; log and mirror are
   * kept until an owner is known.
   */
  LOST,
  /** This controller has ended its part. Requests are answered with SHUTDOWN. */
  STOPPED;

  private static final Set<PoolState> SERVING = EnumSet.of(OWNER_ALONE, RESYNCING, OWNER_MIRRORED);
  private static final Set<PoolState> OWNING =
      EnumSet.of(OWNER_ALONE, RESYNCING, OWNER_MIRRORED, HANDING_OVER, STOPPING);
  private static final Set<PoolState> UNDECIDED =
      EnumSet.of(FENCING, OPENING, REPLAYING, FROZEN, SETTLING);

  /** Whether hosts are served from the pool itself. */
  public boolean isServing() {
    return SERVING.contains(this);
  }

  /** Whether this controller is the pool's owner. */
  public boolean isOwner() {
    return OWNING.contains(this);
  }

  /** Whether this controller is about to find out whether it owns the pool. */
  public boolean isUndecided() {
    return UNDECIDED.contains(this);
  }

  /** Whether the table above allows the step. */
  boolean mayBecome(PoolState next) {
    return switch (this) {
      case STARTING -> next == STANDBY || next == FENCING || next == STOPPED;
      case STANDBY -> next == FENCING || next == STOPPED;
      case FENCING -> next == OPENING || next == LOST || next == STOPPED;
      case OPENING ->
          next == REPLAYING
              || next == AWAITING_LOG
              || next == OWNER_ALONE
              || next == FENCING
              || next == STANDBY
              || next == LOST;
      case AWAITING_LOG ->
          next == OWNER_ALONE || next == STARTING || next == LOST || next == STOPPED;
      case REPLAYING -> next == OWNER_ALONE || next == LOST;
      case OWNER_ALONE -> next == RESYNCING || next == FROZEN || next == STOPPING || next == LOST;
      case RESYNCING ->
          next == OWNER_MIRRORED
              || next == OWNER_ALONE
              || next == FROZEN
              || next == STOPPING
              || next == LOST;
      case OWNER_MIRRORED ->
          next == FROZEN || next == HANDING_OVER || next == STOPPING || next == LOST;
      case FROZEN -> next == SETTLING || next == LOST;
      case SETTLING -> next == OWNER_ALONE || next == LOST;
      case HANDING_OVER ->
          next == STANDBY
              || next == OWNER_MIRRORED
              || next == FENCING
              || next == FROZEN
              || next == LOST;
      case STOPPING -> next == STOPPED || next == LOST;
      case LOST -> next == STANDBY || next == FENCING || next == STOPPED;
      case STOPPED -> false;
    };
  }
}
