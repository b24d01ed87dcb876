package io.twinspan.linux;

import java.io.Serial;

/**
 * The root of every exception that Twinspan throws on its own account.
 *
 * <p>The message says what was wrong, with which value, and what to do about it.
 */
public class TwinspanException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  /**
   * An exception without an underlying one.
   *
   * @param message what was wrong, with which value
   */
  public TwinspanException(String message) {
    super(message);
  }

  /**
   * An exception that another one caused.
   *
   * @param message what was wrong, with which value
   * @param cause what led to it
   */
  public TwinspanException(String message, Throwable cause) {
    super(message, cause);
  }
}
