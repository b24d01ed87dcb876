package io.twinspan.nvme;

import java.util.EnumSet;
import java.util.Set;

/**
 * The life of a controller as its driver sees it (NVM Express 1.4, sections 3.1.5, 3.1.6, 7.3 and
 * 7.6).
 *
 * <pre>
 *   ATTACHED ─▶ DISABLING ─▶ DISABLED ─▶ ENABLING ─▶ IDENTIFYING ─▶ READY ─▶ SHUTTING_DOWN ─▶ SHUT_DOWN
 *                   ▲                                                 │
 *                   └───────────────── reset ────────── FAILED ◀──────┘
 *   any ─▶ FAILED, GONE;  any ─▶ CLOSED
 * </pre>
 */
public enum ControllerState {
  /** The device is connected; nothing was written to it. */
  ATTACHED,
  /** CC.EN was cleared; waits for CSTS.RDY = 0, at most CAP.TO. */
  DISABLING,
  /** CSTS.RDY is 0; AQA, ASQ and ACQ are written. */
  DISABLED,
  /** CC.EN was set; waits for CSTS.RDY = 1, at most CAP.TO. */
  ENABLING,
  /** The admin queue works; the driver asks what the controller is and for I/O queues. */
  IDENTIFYING,
  /** Queue pairs can be made and used. */
  READY,
  /** CC.SHN was set to 01b; waits for CSTS.SHST = 10b, at most the shutdown timeout. */
  SHUTTING_DOWN,
  /** CSTS.SHST was 10b: the controller's caches are on its media. */
  SHUT_DOWN,
  /**
   * CSTS.CFS, a missed deadline or an answer that makes no sense. Commands were answered; a reset
   * may help.
   */
  FAILED,
  /** Registers read as all ones, or the emulating process is gone. */
  GONE,
  /** The driver has let go of the device. */
  CLOSED;

  private static final Set<ControllerState> LIVING =
      EnumSet.of(
          ATTACHED, DISABLING, DISABLED, ENABLING, IDENTIFYING, READY, SHUTTING_DOWN, SHUT_DOWN);

  /**
   * {@return whether a controller may go from this state to another one}
   *
   * @param next the other one
   */
  public boolean mayBecome(ControllerState next) {
    return switch (next) {
      case ATTACHED -> false;
      case DISABLING -> this == ATTACHED || this == READY || this == FAILED;
      case DISABLED -> this == DISABLING;
      case ENABLING -> this == DISABLED;
      case IDENTIFYING -> this == ENABLING;
      case READY -> this == IDENTIFYING;
      case SHUTTING_DOWN -> this == READY;
      case SHUT_DOWN -> this == SHUTTING_DOWN;
      case FAILED -> LIVING.contains(this);
      case GONE -> LIVING.contains(this) || this == FAILED;
      case CLOSED -> this != CLOSED;
    };
  }
}
