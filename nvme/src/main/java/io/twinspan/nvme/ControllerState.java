package io.twinspan.nvme;

/**
 * The life of a controller as its driver sees it (NVM Express 1.4, sections 3.1.5, 3.1.6, 7.3 and
 * 7.6).
 *
 * <pre>
 *   ATTACHED ─▶ DISABLING ─▶ DISABLED ─▶ ENABLING ─▶ IDENTIFYING ─▶ READY ─▶ SHUTTING_DOWN ─▶ SHUT_DOWN
 *                   ▲                                                 │
 *                   ├────────── reset ────────────────────────────────┤
 *                   └── reset ── STOPPED ◀─── RDY = 0 ──── FAILED ◀───┘
 *                                                             └─── does not obey ──▶ HUNG
 *   any ─▶ FAILED but the four below;  any ─▶ GONE;  any ─▶ CLOSED
 * </pre>
 *
 * <table>
 *   <caption>What each state waits for, at most how long, and what follows if it does not
 *       come</caption>
 *   <tr><th>state</th><th>waits for</th><th>at most</th><th>then</th></tr>
 *   <tr><td>DISABLING</td><td>CSTS.RDY = 0</td><td>CAP.TO</td><td>FAILED</td></tr>
 *   <tr><td>ENABLING</td><td>CSTS.RDY = 1</td><td>CAP.TO</td><td>FAILED</td></tr>
 *   <tr><td>IDENTIFYING, READY</td><td>each administrative command</td><td>admin timeout</td>
 *       <td>FAILED</td></tr>
 *   <tr><td>READY</td><td>each I/O command</td><td>I/O timeout</td>
 *       <td>Abort; after the admin timeout FAILED</td></tr>
 *   <tr><td>SHUTTING_DOWN</td><td>CSTS.SHST = 10b</td><td>shutdown timeout</td><td>FAILED</td></tr>
 *   <tr><td>FAILED</td><td>CSTS.RDY = 0</td><td>CAP.TO, then after a function reset again
 *       CAP.TO</td><td>HUNG</td></tr>
 *   <tr><td>HUNG</td><td>the device to go</td><td>as long as the controller is open</td>
 *       <td></td></tr>
 * </table>
 *
 * <p>Commands in flight are answered in STOPPED and GONE, where the controller touches no memory
 * any more; not in FAILED, and in HUNG only as {@link CompletionHandler#unsettled} says.
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
   * CSTS.CFS, a missed deadline or an answer that makes no sense. The controller is being stopped:
   * CC.EN is cleared, and if that does not help the function is reset.
   */
  FAILED,
  /** Failed, but CSTS.RDY is 0: commands were answered; a reset may help. */
  STOPPED,
  /** Failed, and can't be stopped: it may touch the memory of commands until it goes. */
  HUNG,
  /** Registers read as all ones, or the emulating process is gone. */
  GONE,
  /** The driver has let go of the device. */
  CLOSED;

  /** {@return whether the controller has neither failed nor gone nor been closed} */
  boolean isLiving() {
    return switch (this) {
      case ATTACHED, DISABLING, DISABLED, ENABLING, IDENTIFYING, READY, SHUTTING_DOWN, SHUT_DOWN ->
          true;
      case FAILED, STOPPED, HUNG, GONE, CLOSED -> false;
    };
  }

  /**
   * {@return whether a controller may go from this state to another one}
   *
   * @param next the other one
   */
  public boolean mayBecome(ControllerState next) {
    return switch (next) {
      case ATTACHED -> false;
      case DISABLING -> this == ATTACHED || this == READY || this == FAILED || this == STOPPED;
      case DISABLED -> this == DISABLING;
      case ENABLING -> this == DISABLED;
      case IDENTIFYING -> this == ENABLING;
      case READY -> this == IDENTIFYING;
      case SHUTTING_DOWN -> this == READY;
      case SHUT_DOWN -> this == SHUTTING_DOWN;
      case FAILED -> isLiving();
      case STOPPED, HUNG -> this == FAILED;
      case GONE -> this != GONE && this != CLOSED;
      case CLOSED -> this != CLOSED;
    };
  }
}
