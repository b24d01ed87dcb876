package io.twinspan.nvme;

import java.io.Serial;

/**
 * The device does not answer in time, or not as the protocol says. Unlike one that is gone, it may
 * still touch memory that it was given.
 */
public final class DeviceHungException extends NvmeException {
  @Serial private static final long serialVersionUID = 1L;

  /**
   * An exception without an underlying one.
   *
   * @param message which device, and how it was noticed
   */
  public DeviceHungException(String message) {
    super(message);
  }
}
