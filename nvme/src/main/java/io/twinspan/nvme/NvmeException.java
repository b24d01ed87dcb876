package io.twinspan.nvme;

import io.twinspan.linux.TwinspanException;
import java.io.Serial;

/** A controller did not do what it was asked to, or said something that makes no sense. */
public class NvmeException extends TwinspanException {
  @Serial private static final long serialVersionUID = 1L;

  /**
   * An exception without an underlying one.
   *
   * @param message what was wrong, with which controller and value
   */
  public NvmeException(String message) {
    super(message);
  }

  /**
   * An exception that another one caused.
   *
   * @param message what was wrong, with which controller and value
   * @param cause what led to it
   */
  public NvmeException(String message, Throwable cause) {
    super(message, cause);
  }
}
