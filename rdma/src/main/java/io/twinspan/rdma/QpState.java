package io.twinspan.rdma;

/**
 * States of a reliable connected queue pair, as in verbs.
 *
 * <pre>
 * state  postRecv  postSend                 to
 * RESET  refused   refused                  INIT (modify), RESET
 * INIT   taken     refused                  RTR (connection agreed), INIT, ERR, RESET
 * RTR    taken     refused                  RTS (at once after RTR), ERR, RESET
 * RTS    taken     taken                    SQD (modify), RTS, ERR, RESET
 * SQD    taken     taken, not carried out   RTS (modify), SQD, ERR, RESET
 * SQE    -         -                        RTS, ERR, RESET
 * ERR    flushed   flushed                  RESET, ERR
 * </pre>
 *
 * <p>Entering ERR completes everything outstanding with {@link WcStatus#WR_FLUSH_ERR}, in order; so
 * does entering RESET, where verbs forgets it.
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
  /**
   * The send queue is being drained: what was begun is completed ({@link
   * AsyncEvent.Type#SQ_DRAINED}), what is posted waits for RTS. Receiving goes on.
   */
  SQD,
  /** The send queue has failed. Never entered: in verbs, too, a reliable queue pair goes to ERR. */
  SQE,
  /** Failed; everything is flushed. */
  ERR;

  /** Whether the table allows this step. */
  public boolean mayBecome(QpState next) {
    return switch (this) {
      case RESET -> next == RESET || next == INIT;
      case INIT -> next == INIT || next == RTR || next == RESET || next == ERR;
      case RTR -> next == RTS || next == RESET || next == ERR;
      case RTS, SQD -> next == RTS || next == SQD || next == ERR || next == RESET;
      case SQE -> next == RTS || next == ERR || next == RESET;
      case ERR -> next == ERR || next == RESET;
    };
  }

  /** Whether a connection stands. */
  boolean isConnected() {
    return this == RTS || this == SQD;
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
