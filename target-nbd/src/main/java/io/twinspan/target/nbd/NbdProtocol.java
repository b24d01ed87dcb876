package io.twinspan.target.nbd;

import io.twinspan.array.HostStatus;
import io.twinspan.pool.VolumeInfo;

/**
 * Numbers of the NBD protocol, by the names of its specification ({@code doc/proto.md} of the
 * reference server).
 */
final class NbdProtocol {
  /** "NBDMAGIC": the first 8 bytes of a server. */
  static final long NBDMAGIC = 0x4e42444d41474943L;

  /** "IHAVEOPT": the next 8, and the start of every option. */
  static final long IHAVEOPT = 0x49484156454F5054L;

  static final long OPTION_REPLY_MAGIC = 0x0003e889045565a9L;
  static final int REQUEST_MAGIC = 0x25609513;
  static final int SIMPLE_REPLY_MAGIC = 0x67446698;

  /** Handshake flags, of server and client alike. */
  static final int FLAG_FIXED_NEWSTYLE = 1;

  static final int FLAG_NO_ZEROES = 1 << 1;

  static final int OPT_EXPORT_NAME = 1;
  static final int OPT_ABORT = 2;
  static final int OPT_LIST = 3;
  static final int OPT_INFO = 6;
  static final int OPT_GO = 7;

  static final int REP_ACK = 1;
  static final int REP_SERVER = 2;
  static final int REP_INFO = 3;
  static final int REP_ERR_UNSUP = 0x8000_0001;
  static final int REP_ERR_INVALID = 0x8000_0003;
  static final int REP_ERR_UNKNOWN = 0x8000_0006;
  static final int REP_ERR_TOO_BIG = 0x8000_0009;

  static final int INFO_EXPORT = 0;
  static final int INFO_NAME = 1;
  static final int INFO_DESCRIPTION = 2;
  static final int INFO_BLOCK_SIZE = 3;

  /** Transmission flags. */
  static final int FLAG_HAS_FLAGS = 1;

  static final int FLAG_READ_ONLY = 1 << 1;
  static final int FLAG_SEND_FLUSH = 1 << 2;
  static final int FLAG_SEND_FUA = 1 << 3;
  static final int FLAG_SEND_TRIM = 1 << 5;
  static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
  static final int FLAG_CAN_MULTI_CONN = 1 << 8;
  static final int FLAG_SEND_FAST_ZERO = 1 << 11;

  /**
   * What every export can do. Several connections see one another's flushed writes on both
   * controllers, because a FLUSH covers everything acknowledged before through either. Zeroing
   * sends no payload and writes no blocks, so it is always faster than writing zeros, which is what
   * FAST_ZERO asks.
   */
  static final int EXPORT_FLAGS =
      FLAG_HAS_FLAGS
          | FLAG_SEND_FLUSH
          | FLAG_SEND_FUA
          | FLAG_SEND_TRIM
          | FLAG_SEND_WRITE_ZEROES
          | FLAG_CAN_MULTI_CONN
          | FLAG_SEND_FAST_ZERO;

  static final int CMD_READ = 0;
  static final int CMD_WRITE = 1;
  static final int CMD_DISC = 2;
  static final int CMD_FLUSH = 3;
  static final int CMD_TRIM = 4;
  static final int CMD_WRITE_ZEROES = 6;

  static final int CMD_FLAG_FUA = 1;
  static final int CMD_FLAG_NO_HOLE = 1 << 1;
  static final int CMD_FLAG_FAST_ZERO = 1 << 4;

  static final int EPERM = 1;
  static final int EIO = 5;
  static final int EINVAL = 22;
  static final int ENOSPC = 28;

  static final int REQUEST_BYTES = 28;
  static final int SIMPLE_REPLY_BYTES = 16;

  /** Longest name or other string of the protocol. */
  static final int MAX_STRING_BYTES = 4096;

  /** Smallest, best and largest length of a READ or WRITE that is announced. */
  static final int MIN_BLOCK_BYTES = 1;

  static final int PREFERRED_BLOCK_BYTES = 4096;
  static final int MAX_PAYLOAD_BYTES = 32 << 20;

  private NbdProtocol() {}

  /** Transmission flags of a volume's export. */
  static int exportFlags(VolumeInfo volume) {
    return volume.readOnly() ? EXPORT_FLAGS | FLAG_READ_ONLY : EXPORT_FLAGS;
  }

  /** The error number of a reply for an outcome; 0 is success. */
  static int error(HostStatus status) {
    return switch (status) {
      case OK -> 0;
      case NO_SPACE -> ENOSPC;
      case INVALID -> EINVAL;
      case READ_ONLY -> EPERM;
      case NO_SUCH_VOLUME, IO_ERROR, SHUTDOWN -> EIO;
    };
  }
}
