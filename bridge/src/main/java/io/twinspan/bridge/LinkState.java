package io.twinspan.bridge;

/**
 * Where a link is in its lives.
 *
 * <pre>
 * from \ to    CONNECTING       UP                  DOWN                        CLOSED
 * DOWN         hello begins     -                   -                           close()
 * CONNECTING   -                hellos, proofs and  refused, too late,          close()
 *                               windows exchanged   connection lost
 * UP           -                -                   death, EOF, silence,        close()
 *                                                   goodbye, breach of
 *                                                   the protocol
 * </pre>
 */
public enum LinkState {
  /** Nobody is there, as far as is known. */
  DOWN,
  /** Somebody is there and is being examined. */
  CONNECTING,
  /** The peer's windows are mapped and it shows signs of life. */
  UP,
  /** This side has ended the link for good. */
  CLOSED;

  /** Whether the table allows this step. */
  public boolean mayBecome(LinkState next) {
    return switch (this) {
      case DOWN -> next == CONNECTING || next == CLOSED;
      case CONNECTING -> next == UP || next == DOWN || next == CLOSED;
      case UP -> next == DOWN || next == CLOSED;
      case CLOSED -> false;
    };
  }

  /**
   * Takes a step.
   *
   * @return {@code next}
   * @throws IllegalStateException if the table does not allow it
   */
  public LinkState transition(LinkState next) {
    if (!mayBecome(next)) {
      throw new IllegalStateException("link is " + this + " and can't become " + next);
    }
    return next;
  }
}
