package io.twinspan.nvme;

import java.io.Serial;

/** An administrative command completed with an error status. */
public final class StatusException extends NvmeException {
  @Serial private static final long serialVersionUID = 1L;

  private final int status;

  /**
   * An exception for a completion.
   *
   * @param what the command, and of which controller
   * @param status its status, {@code SCT << 8 | SC}
   */
  public StatusException(String what, int status) {
    super("%s: %s (0x%03x)".formatted(what, Status.name(status), status));
    this.status = status;
  }

  /** {@return the status, {@code SCT << 8 | SC}, see {@link Status}} */
  public int status() {
    return status;
  }
}
