package io.twinspan.rdma;

import io.twinspan.concurrent.SharedMemory;

/**
 * Where things are in a channel's block of a control window. Everything is written by the peer of
 * the window's owner, and read by the owner; it is all zero when a life of the link begins.
 *
 * <pre>
 *      0  64 regions of the peer, 64 bytes each:
 *           0 key word: generation << 32 | rkey, 0 if there is none
 *           8 offset in the peer's segment   16 length in bytes   24 access bits
 *   4096  what the peer has sent on this channel:  0 bytes   8 operations
 *   4224  per queue pair:
 *           0  connection word: serial << 8 | kind   8 first receive   16 private data: length, bytes
 *         128  posted: how many receives the peer ever posted
 *         256  received: how many of the owner's receives the peer ever filled
 *         384  the peer's receives, a ring of 16 bytes each:
 *                0 rkey   4 length   8 offset in that region
 *              fills of the owner's receives, a ring of 16 bytes each:
 *                0 opcode   4 length in bytes   8 immediate data
 * </pre>
 *
 * <p>A key word is stored last, with release; a reader loads it before and after the fields. The
 * counts are stored with release after what they count, so that fields which change often lie 128
 * bytes from each other. Offsets and lengths are checked by the reader against its own knowledge.
 */
final class ChannelLayout {
  static final int REGIONS = 64;
  static final long REGION_BYTES = 64;
  static final long REGION_KEY = 0;
  static final long REGION_OFFSET = 8;
  static final long REGION_LENGTH = 16;
  static final long REGION_ACCESS = 24;

  static final long SENT_BYTES = REGIONS * REGION_BYTES;
  static final long SENT_OPERATIONS = SENT_BYTES + Long.BYTES;

  static final long CM_WORD = 0;
  static final long CM_FIRST_RECEIVE = 8;
  static final long CM_PRIVATE_LENGTH = 16;
  static final long CM_PRIVATE_DATA = 24;
  static final int MAX_PRIVATE_BYTES = 64;
  static final long POSTED = SharedMemory.PADDING_BYTES;
  static final long RECEIVED = 2L * SharedMemory.PADDING_BYTES;
  static final long RECEIVES = 3L * SharedMemory.PADDING_BYTES;

  static final long RECEIVE_BYTES = 16;
  static final long RECEIVE_RKEY = 0;
  static final long RECEIVE_LENGTH = 4;
  static final long RECEIVE_OFFSET = 8;

  static final long FILL_BYTES = 16;
  static final long FILL_OPCODE = 0;
  static final long FILL_LENGTH = 4;
  static final long FILL_IMMEDIATE = 8;

  static final int OPCODE_SEND = 1;
  static final int OPCODE_WRITE = 2;

  private static final long QUEUE_PAIRS = SENT_BYTES + SharedMemory.PADDING_BYTES;
  private static final long PAGE_BYTES = 4096;

  private ChannelLayout() {}

  static long region(int slot) {
    return slot * REGION_BYTES;
  }

  static long queuePair(ChannelSpec spec, int index) {
    return QUEUE_PAIRS + index * queuePairBytes(spec);
  }

  static long fills(ChannelSpec spec) {
    return RECEIVES + spec.receiveDepth() * RECEIVE_BYTES;
  }

  static long bytes(ChannelSpec spec) {
    long bytes = queuePair(spec, spec.queuePairs());
    return (bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
  }

  private static long queuePairBytes(ChannelSpec spec) {
    long bytes = fills(spec) + spec.receiveDepth() * FILL_BYTES;
    return (bytes + SharedMemory.PADDING_BYTES - 1) & -(long) SharedMemory.PADDING_BYTES;
  }
}
