package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.VfioUserDevice;
import java.nio.file.Path;
import java.time.Duration;

/** A drive that this process is to drive itself, as it is named on the command line. */
final class NvmeTarget {
  /** How a drive that another process emulates is named. */
  static final String VFIO_USER = "vfio-user:";

  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private NvmeTarget() {}

  /**
   * Brings a drive up.
   *
   * @param target such as {@code vfio-user:/run/drive0-a.sock}
   * @throws TwinspanException if there is no such drive, or somebody else drives it
   */
  static NvmeController open(String target) {
    if (!target.startsWith(VFIO_USER)) {
      throw new TwinspanException(
          "\"%s\" is no drive: name it %sSOCKET".formatted(target, VFIO_USER));
    }
    Path socket = Path.of(target.substring(VFIO_USER.length()));
    return NvmeController.open(VfioUserDevice.connect(socket, TIMEOUT), NvmeOptions.DEFAULTS);
  }
}
