package io.twinspan.target.nbd;

import java.io.Serial;

/**
 * The connection has died, could not be made, or gave no answer in time. Whether commands without
 * an answer were carried out is unknown: connect again, to the other controller too, and repeat
 * them.
 */
public final class NbdDisconnectedException extends NbdException {
  @Serial private static final long serialVersionUID = 1L;

  /**
   * A connection that the server has closed, or that is too slow.
   *
   * @param message what was going on
   */
  public NbdDisconnectedException(String message) {
    super(message, 0);
  }

  /**
   * A connection that failed.
   *
   * @param message what was going on
   * @param cause the error of the socket
   */
  public NbdDisconnectedException(String message, Throwable cause) {
    super(message, cause);
  }
}
