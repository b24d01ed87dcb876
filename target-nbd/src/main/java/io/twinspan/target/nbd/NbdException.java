package io.twinspan.target.nbd;

import io.twinspan.linux.TwinspanException;
import java.io.Serial;

/** The server has refused something, or speaks no NBD that {@link NbdClient} understands. */
public class NbdException extends TwinspanException {
  @Serial private static final long serialVersionUID = 1L;

  private final int error;

  /**
   * An error that the server has answered.
   *
   * @param message what was asked for
   * @param error the protocol's error number (those of Linux errno), 0 when there is none
   */
  public NbdException(String message, int error) {
    super(message);
    this.error = error;
  }

  /**
   * An error that another one caused.
   *
   * @param message what was asked for
   * @param cause what led to it
   */
  public NbdException(String message, Throwable cause) {
    super(message, cause);
    this.error = 0;
  }

  /**
   * Which error it was.
   *
   * @return the protocol's error number (those of Linux errno), 0 when there is none
   */
  public int error() {
    return error;
  }
}
