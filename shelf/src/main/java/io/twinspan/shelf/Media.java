package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.nvme.Status;

/** What the host's errors mean in NVMe's words. */
final class Media {
  private static final int EDQUOT = 122;

  private Media() {}

  /** The status of a read that ended with 0 or a negative {@link Errno}. */
  static int readStatus(int result) {
    return switch (-result) {
      case 0 -> Status.SUCCESS;
      case Errno.EFAULT -> Status.DATA_TRANSFER_ERROR;
      case Errno.EIO -> Status.UNRECOVERED_READ;
      default -> Status.INTERNAL_ERROR;
    };
  }

  /** The status of a write or flush that ended with 0 or a negative {@link Errno}. */
  static int writeStatus(int result) {
    return switch (-result) {
      case 0 -> Status.SUCCESS;
      case Errno.EFAULT -> Status.DATA_TRANSFER_ERROR;
      case Errno.ENOSPC, Errno.EFBIG, EDQUOT -> Status.CAPACITY_EXCEEDED;
      case Errno.EIO -> Status.WRITE_FAULT;
      default -> Status.INTERNAL_ERROR;
    };
  }

  /** Whether the status is of the type "media and data integrity errors". */
  static boolean isMediaError(int status) {
    return status >>> 8 == 2;
  }
}
