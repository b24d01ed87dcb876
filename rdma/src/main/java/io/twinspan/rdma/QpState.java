package io.twinspan.rdma;

/**
 * States of a reliable connected queue pair, as in verbs.
 *
 * <pre>
 * state  postRecv  postSend                 to
 * RESET  refused   refused                  INIT (init)
 * INIT   taken     refused                  RTR (connection agreed), RESET, ERR
 * RTR    taken     refused                  RTS (at once after RTR), RESET, ERR
 * RTS    taken     taken                    SQD, SQE, ERR, RESET
 * SQD    taken     taken, not carried out   RTS, ERR, RESET              (not entered yet)
 * SQE    taken     flushed                  RTS, ERR, RESET              (not entered yet)
 * ERR    flushed   flushed                  RESET (reset)
 * </pre>
 *
 * <p>Entering ERR completes everything outstanding with {@link WcStatus#WR_FLUSH_ERR}, in order.
 */
public enum QpState {
  /** Nothing is set up. */
  RESET,
  /** Receives may be posted. */
  INIT,
  /** Ready to receive. */
  RTR,
  /** Ready to send. */
  RTS,
  /** The send queue is being drained. */
  SQD,
  /** The send queue has failed, receiving goes on. */
  SQE,
  /** Failed; everything is flushed. */
  ERR;

  /** Whether the table allows this step. */
  public boolean mayBecome(QpState next) {
    return switch (this) {
      case RESET -> next == INIT;
      case INIT -> next == RTR || next == RESET || next == ERR;
      case RTR -> next == RTS || next == RESET || next == ERR;
      case RTS -> next == SQD || next == SQE || next == ERR || next == RESET;
      case SQD, SQE -> next == RTS || next == ERR || next == RESET;
      case ERR -> next == RESET;
    };
  }

  /**
   * Takes a step.
   *
   * @return {@code next}
   * @throws IllegalStateException if the table does not allow it
   */
  public QpState transition(QpState next) {
    if (!mayBecome(next)) {
      throw new IllegalStateException("queue pair is " + this + " and can't become " + next);
    }
    return next;
  }
}
