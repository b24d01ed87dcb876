package io.twinspan.target.nbd;

import io.twinspan.array.HostRequest;
import io.twinspan.pool.Drive;

/** What a request may ask for, and where it is cut. */
final class NbdChecks {
  private NbdChecks() {}

  /**
   * Checks a request against its export.
   *
   * @param offset unsigned on the wire: what is negative lies far beyond every volume
   * @return 0, or the error to refuse it with: out-of-range writes get ENOSPC and everything else
   *     EINVAL, as the specification recommends
   */
  static int error(int type, int flags, long offset, long length, long sizeBytes) {
    boolean inRange = offset >= 0 && length <= sizeBytes - offset;
    return switch (type) {
      case NbdProtocol.CMD_READ ->
          hasOnly(flags, 0) && fits(length) && inRange ? 0 : NbdProtocol.EINVAL;
      case NbdProtocol.CMD_WRITE ->
          !hasOnly(flags, 0) || !fits(length) ? NbdProtocol.EINVAL : spaceError(inRange);
      case NbdProtocol.CMD_FLUSH ->
          hasOnly(flags, 0) && offset == 0 && length == 0 ? 0 : NbdProtocol.EINVAL;
      case NbdProtocol.CMD_TRIM -> hasOnly(flags, 0) && inRange ? 0 : NbdProtocol.EINVAL;
      case NbdProtocol.CMD_WRITE_ZEROES ->
          hasOnly(flags, NbdProtocol.CMD_FLAG_NO_HOLE | NbdProtocol.CMD_FLAG_FAST_ZERO)
              ? spaceError(inRange)
              : NbdProtocol.EINVAL;
      default -> NbdProtocol.EINVAL;
    };
  }

  /** The end of the piece that contains this byte. */
  static long pieceEnd(long offset) {
    return offset - offset % HostRequest.MAX_BYTES + HostRequest.MAX_BYTES;
  }

  /** The end of the block that this byte is in, or the byte itself when it is the first of one. */
  static long roundUp(long offset) {
    return roundDown(offset + Drive.BLOCK_BYTES - 1);
  }

  /** The start of the block that this byte is in. */
  static long roundDown(long offset) {
    return offset - offset % Drive.BLOCK_BYTES;
  }

  private static boolean hasOnly(int flags, int allowed) {
    return (flags & ~(allowed | NbdProtocol.CMD_FLAG_FUA))
        == 0; // FUA is valid, and often idle, everywhere
  }

  private static boolean fits(long length) {
    return length <= NbdProtocol.MAX_PAYLOAD_BYTES;
  }

  private static int spaceError(boolean inRange) {
    return inRange ? 0 : NbdProtocol.ENOSPC;
  }
}
