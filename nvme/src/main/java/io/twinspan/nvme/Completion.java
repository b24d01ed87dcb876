package io.twinspan.nvme;

/**
 * How an administrative command ended.
 *
 * @param status {@code SCT << 8 | SC}, see {@link Status}
 * @param result command specific dword
 * @param doNotRetry whether the same command would fail again
 */
public record Completion(int status, int result, boolean doNotRetry) {
  /** {@return whether the command succeeded} */
  public boolean isSuccess() {
    return status == Status.SUCCESS;
  }

  /**
   * {@return this}
   *
   * @param what the command and the controller, for the message
   * @throws StatusException if the command did not succeed
   */
  public Completion orThrow(String what) {
    if (!isSuccess()) {
      throw new StatusException(what, status);
    }
    return this;
  }
}
