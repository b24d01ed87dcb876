package io.twinspan.rdma;

import io.twinspan.concurrent.SharedMemory;

/**
 * Where things are in a channel's block of a control window. Everything is written by the peer of
 * the window's owner, and read by the owner; it is all zero when a life of the link begins.
 *
 * <pre>
 *      0  64 regions of the peer, 64 bytes each:
 *           0 key word: generation &lt;&lt; 32 | rkey, 0 if there is none
 *           8 offset in the peer's segment   16 length in bytes   24 access bits (4 bytes)
 *          28 number of its protection domain
 *   4096  what the peer has sent on this channel:  0 bytes   8 operations
 *   4224  the channel's own life: 128 bytes
 *   4352  the shared receive queue, if the plan has one: a receive block
 *         per queue pair:
 *           0  connection word: serial &lt;&lt; 8 | kind   8 first receive   16 private data: length, bytes
 *             88 first request   96 RNR timer in microseconds   100 reads and atomics it takes
 *            104 access bits   108 protection domain   112 1 if its receives are the shared ones
 *            120 why it ended: 1 for a wrong CRC of a message, 2 for one of an answer
 *         128  the peer's requests, a ring of 16 times 128 bytes
 *        2176  answers to the owner's requests, a ring of 16 times 64 bytes
 *        3200  a receive block
 *
 *   receive block, for a queue of a given depth:
 *           0  posted: how many receives the peer ever posted   8 how many of them it saw filled
 *         128  filled: how many of the owner's receives the peer ever filled
 *         256  the peer's receives, a ring of 16 bytes each; of its scatter list the first:
 *                0 entries in the list &lt;&lt; 24 | rkey   4 length   8 offset in that region
 *              the rest of these lists, a ring of 3 times 16 bytes
 *              fills of the owner's receives, a ring of 128 bytes each
 *
 *   fill:        0 {@linkplain #word word}: sequence, opcode, queue pair, flags, and in detail the
 *                  length if eager, and the attempt: the low 9 bits of the connection's serial
 *                8 immediate data or invalidated rkey   12 CRC32C of payload and those
 *               16 payload if it is eager, else its length (8 bytes)
 *               24 of a write: its rkey   32 its offset
 *   request:     0 word: sequence, opcode, -, flags, entries in the scatter list
 *                8 rkey   12 CRC32C   16 offset   24 length   32 compare or add   40 swap
 *               48 scatter list of the requester, up to 4: 0 rkey   4 length   8 offset
 *   answer:      0 word: sequence, -, -, -, status   8 value
 *               16 CRC32C of the value, or of what was read into each entry of the list
 * </pre>
 *
 * <p>CRCs, and where a write went, are there only if the channel's plan wants them. That of a
 * request is of its fields; of one to check a write, of the data.
 *
 * <p>A key word is stored last, with release; a reader loads it before and after the fields. Words
 * of fills, requests and answers are stored last too, and carry the low half of a count that goes
 * up by one: the reader polls the next entry itself, so that a small message is one transfer of a
 * cache line. The counts are stored with release and rarely. Fields that change often lie 128 bytes
 * from those of other writers. Offsets and lengths are checked by the reader against its own
 * knowledge.
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
  static final long CHANNEL_LIFE = SENT_BYTES + SharedMemory.PADDING_BYTES;
  static final long CHANNEL_LIFE_BYTES = SharedMemory.PADDING_BYTES;
  static final long SHARED_RECEIVES = CHANNEL_LIFE + CHANNEL_LIFE_BYTES;

  static final long CM_WORD = 0;
  static final long CM_FIRST_RECEIVE = 8;
  static final long CM_PRIVATE_LENGTH = 16;
  static final long CM_PRIVATE_DATA = 24;
  static final int MAX_PRIVATE_BYTES = 64;
  static final long CM_FIRST_REQUEST = CM_PRIVATE_DATA + MAX_PRIVATE_BYTES;
  static final long CM_RNR_TIMER = CM_FIRST_REQUEST + Long.BYTES;
  static final long CM_MAX_DEST_RD_ATOMIC = CM_RNR_TIMER + Integer.BYTES;
  static final long CM_ACCESS = CM_MAX_DEST_RD_ATOMIC + Integer.BYTES;
  static final long CM_DOMAIN = CM_ACCESS + Integer.BYTES;
  static final long CM_SHARED = CM_DOMAIN + Integer.BYTES;
  static final long CM_END_REASON = CM_SHARED + Long.BYTES;

  /** A connection ended because the CRC of a message was wrong: of the first that was not taken. */
  static final int END_BAD_MESSAGE = 1;

  /** A connection ended because the CRC of the answer to a read or atomic was wrong. */
  static final int END_BAD_ANSWER = 2;

  /** How many reads and atomics of a queue pair may be outstanding (max_rd_atomic). */
  static final int MAX_RD_ATOMIC = 16;

  static final long REQUESTS = SharedMemory.PADDING_BYTES;
  static final long REQUEST_BYTES = 128;
  static final long REQUEST_RKEY = 8;
  static final long REQUEST_CRC = 12;
  static final long REQUEST_OFFSET = 16;
  static final long REQUEST_LENGTH = 24;
  static final long REQUEST_COMPARE_ADD = 32;
  static final long REQUEST_SWAP = 40;
  static final long REQUEST_LIST = 48;

  static final long ANSWERS = REQUESTS + MAX_RD_ATOMIC * REQUEST_BYTES;
  static final long ANSWER_BYTES = 64;
  static final long ANSWER_VALUE = 8;
  static final long ANSWER_CRCS = 16;

  static final long RECEIVE_BLOCK = ANSWERS + MAX_RD_ATOMIC * ANSWER_BYTES;
  static final long POSTED = 0;
  static final long TAKEN = 8;
  static final long FILLED = SharedMemory.PADDING_BYTES;
  static final long RECEIVES = 2L * SharedMemory.PADDING_BYTES;

  /** How many entries a scatter/gather list may have. */
  static final int MAX_SGE = 4;

  static final long SGE_BYTES = 16;
  static final long SGE_RKEY = 0;
  static final long SGE_LENGTH = 4;
  static final long SGE_OFFSET = 8;
  static final int SGE_COUNT_SHIFT = 24;
  static final long LIST_REST_BYTES = (MAX_SGE - 1) * SGE_BYTES;

  static final long FILL_BYTES = 128;
  static final long FILL_IMMEDIATE = 8;
  static final long FILL_CRC = 12;
  static final long FILL_PAYLOAD = 16;
  static final long FILL_LENGTH = 16;
  static final long FILL_RKEY = 24;
  static final long FILL_OFFSET = 32;

  /** How long a payload may be that travels in the fill itself. */
  static final int EAGER_BYTES = (int) (FILL_BYTES - FILL_PAYLOAD);

  static final int OPCODE_SEND = 1;
  static final int OPCODE_WRITE = 2;

  /** A fill by which a receive goes back that a failed queue pair had taken. */
  static final int OPCODE_ABORTED = 3;

  static final int OPCODE_READ = 4;
  static final int OPCODE_COMPARE_SWAP = 5;
  static final int OPCODE_FETCH_ADD = 6;

  /** A request to compare what a write has brought with its CRC. */
  static final int OPCODE_CHECK = 7;

  static final int OPCODE_ANSWER = 8;

  static final int FLAG_SOLICITED = 1;

  /** The payload is in the fill. */
  static final int FLAG_EAGER = 1 << 1;

  static final int FLAG_IMMEDIATE = 1 << 2;
  static final int FLAG_INVALIDATE = 1 << 3;

  private static final int OPCODE_SHIFT = 32;
  private static final int QUEUE_PAIR_SHIFT = 36;
  private static final int FLAGS_SHIFT = 40;
  private static final int DETAIL_SHIFT = 48;
  private static final int NIBBLE = 0xf;
  private static final int BYTE = 0xff;
  private static final int ATTEMPT_SHIFT = 7;
  private static final int EAGER_LENGTH_MASK = (1 << ATTEMPT_SHIFT) - 1;
  private static final int ATTEMPT_MASK = (1 << 9) - 1;
  private static final long PAGE_BYTES = 4096;

  private ChannelLayout() {}

  static long region(int slot) {
    return slot * REGION_BYTES;
  }

  static long queuePair(ChannelSpec spec, int index) {
    long shared = spec.sharedReceiveDepth() == 0 ? 0 : receiveBlockBytes(spec.sharedReceiveDepth());
    long each = RECEIVE_BLOCK + receiveBlockBytes(spec.receiveDepth());
    return SHARED_RECEIVES + shared + index * each;
  }

  /** Where in a receive block the rest of the scatter lists begins. */
  static long listRests(int depth) {
    return RECEIVES + depth * SGE_BYTES;
  }

  /** Where in a receive block the fills begin. */
  static long fills(int depth) {
    return padded(listRests(depth) + depth * LIST_REST_BYTES);
  }

  static long bytes(ChannelSpec spec) {
    long bytes = queuePair(spec, spec.queuePairs());
    return (bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
  }

  /**
   * The first 8 bytes of a fill, request or answer.
   *
   * <pre>
   *  63            48 47     40 39    36 35    32 31                            0
   * +----------------+---------+--------+--------+-------------------------------+
   * |     detail     |  flags  |  queue | opcode |      low half of count + 1    |
   * |                |         |  pair  |        |                               |
   * +----------------+---------+--------+--------+-------------------------------+
   * </pre>
   *
   * @param count how many entries there were before this one
   * @param opcode not 0, so that memory which was never written is no word of any count
   */
  static long word(long count, int opcode, int queuePair, int flags, int detail) {
    return (count + 1 & 0xffff_ffffL)
        | (long) opcode << OPCODE_SHIFT
        | (long) queuePair << QUEUE_PAIR_SHIFT
        | (long) flags << FLAGS_SHIFT
        | (long) detail << DETAIL_SHIFT;
  }

  /** How far a word is from that of a count: 0 for just this one, less for an earlier one. */
  static int distance(long word, long count) {
    return (int) word - (int) (count + 1);
  }

  static int opcode(long word) {
    return (int) (word >>> OPCODE_SHIFT) & NIBBLE;
  }

  static int queuePair(long word) {
    return (int) (word >>> QUEUE_PAIR_SHIFT) & NIBBLE;
  }

  static int flags(long word) {
    return (int) (word >>> FLAGS_SHIFT) & BYTE;
  }

  /** What a fill says beside its flags. */
  static int fillDetail(int eagerLength, int attempt) {
    return attempt << ATTEMPT_SHIFT | eagerLength;
  }

  static int eagerLength(long word) {
    return detail(word) & EAGER_LENGTH_MASK;
  }

  static int attempt(long word) {
    return detail(word) >>> ATTEMPT_SHIFT;
  }

  /** What fills of a connection name it by. */
  static int attemptOf(long serial) {
    return (int) serial & ATTEMPT_MASK;
  }

  static int detail(long word) {
    return (int) (word >>> DETAIL_SHIFT);
  }

  private static long receiveBlockBytes(int depth) {
    return fills(depth) + depth * FILL_BYTES;
  }

  private static long padded(long bytes) {
    return (bytes + SharedMemory.PADDING_BYTES - 1) & -(long) SharedMemory.PADDING_BYTES;
  }
}
