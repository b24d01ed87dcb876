package io.twinspan.nvme;

import io.twinspan.linux.Errno;
import java.io.Serial;

/** A vfio-user server answered a command with an error. */
final class RefusedException extends NvmeException {
  @Serial private static final long serialVersionUID = 1L;

  RefusedException(String server, int command, int errno) {
    super(
        "%s refused vfio-user command %d: %s"
            .formatted(server, command, errno == 0 ? "no reason given" : Errno.name(errno)));
  }
}
