package io.twinspan.nvme;

import java.io.Serial;

/**
 * The device was removed, or the process that emulates it has died or does not answer: nothing more
 * will come of it.
 */
public final class DeviceGoneException extends NvmeException {
  @Serial private static final long serialVersionUID = 1L;

  /**
   * An exception without an underlying one.
   *
   * @param message which device, and how it was noticed
   */
  public DeviceGoneException(String message) {
    super(message);
  }
}
