package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The lives of one channel within one life of the link: a word of each side in the other one's
 * control block, by which both take the channel down and up again.
 *
 * <pre>
 *   0  word: life &lt;&lt; 8 | phase     8  length of the reason     12  the reason, ASCII
 *
 *   phase       says                                             and is left when
 *   OPEN n      this side uses the channel in its life n         it fails, or the peer is CLOSED n
 *   CLOSED n    this side has taken all rights back, and         the peer is CLOSED n or READY n + 1: then
 *               stores nothing more into the peer's memory       this side clears its block
 *   READY n+1   this side's block is clear for life n + 1        the peer is READY n + 1 or OPEN n + 1
 * </pre>
 *
 * <p>A link begins with every channel OPEN in life 0, which is what zeroed memory says. A side that
 * is not OPEN, or whose peer is not, says its word again and again, so that it comes through
 * whatever else was stored there. The link's thread only.
 */
final class ChannelLife {
  /** What was found. */
  enum Finding {
    NOTHING,
    /** The peer has closed the channel, or its word makes no sense. */
    FAILED,
    /** Both sides are ready: the channel is open again. */
    OPENED
  }

  private static final int OPEN = 0;
  private static final int CLOSED = 1;
  private static final int READY = 2;
  private static final int PHASE_BITS = 8;

  private static final long WORD = ChannelLayout.CHANNEL_LIFE;
  private static final long REASON_LENGTH = WORD + Long.BYTES;
  private static final long REASON = REASON_LENGTH + Integer.BYTES;
  private static final int MAX_REASON_BYTES =
      (int) (WORD + ChannelLayout.CHANNEL_LIFE_BYTES - REASON);

  private MemorySegment own = MemorySegment.NULL;
  private MemorySegment peer = MemorySegment.NULL;
  private long life;
  private int phase = CLOSED;
  private String peersReason = "";
  private byte[] reason = new byte[0];

  /**
   * A life of the link begins.
   *
   * @param ownBlock this side's control block of the channel: the peer stores
   * @param peerBlock the peer's: this side stores
   */
  void up(MemorySegment ownBlock, MemorySegment peerBlock) {
    own = ownBlock;
    peer = peerBlock;
    life = 0;
    phase = OPEN;
  }

  /** The link is down. */
  void down() {
    own = MemorySegment.NULL;
    peer = MemorySegment.NULL;
    phase = CLOSED;
  }

  /** This side's control block, all of it. */
  MemorySegment ownBlock() {
    return own;
  }

  /** The peer's control block, all of it. */
  MemorySegment peerBlock() {
    return peer;
  }

  long life() {
    return life;
  }

  /** Why {@link Finding#FAILED}, as the peer says it. */
  String peersReason() {
    return peersReason;
  }

  /** This side stores nothing more into the peer's block and segment. */
  void close(String why) {
    byte[] text = why.getBytes(StandardCharsets.US_ASCII);
    reason = Arrays.copyOf(text, Math.min(text.length, MAX_REASON_BYTES));
    phase = CLOSED;
    publish();
  }

  /** Looks at the peer's word; one load while the channel is open. */
  Finding look() {
    long word = SharedMemory.getLongAcquire(own, WORD);
    if (phase == OPEN) {
      // Until it has seen this side's word, the peer says READY.
      if (word == word(life, OPEN) || word == word(life, READY)) {
        return Finding.NOTHING;
      }
      peersReason = word == word(life, CLOSED) ? readReason() : "its word is %x".formatted(word);
      return Finding.FAILED;
    }
    int before = phase;
    if (phase == CLOSED) {
      if (word == word(life, CLOSED) || word == word(life + 1, READY)) {
        clear();
        life++;
        phase = READY;
      }
    } else if (word == word(life, READY) || word == word(life, OPEN)) {
      phase = OPEN;
    } else if (word == word(life, CLOSED)) {
      phase = CLOSED; // it was open there, and has failed before this side knew
    }
    if (phase != before) {
      publish();
    }
    return phase == OPEN ? Finding.OPENED : Finding.NOTHING;
  }

  /** Whether this side is open, and the peer has not said yet that it has seen that. */
  boolean isAhead() {
    return phase == OPEN && SharedMemory.getLongAcquire(own, WORD) == word(life, READY);
  }

  /** Says this side's word again. */
  void publish() {
    peer.set(JAVA_INT, REASON_LENGTH, reason.length);
    MemorySegment.copy(reason, 0, peer, JAVA_BYTE, REASON, reason.length);
    SharedMemory.setLongRelease(peer, WORD, word(life, phase));
  }

  /** Zeroes this side's block, into which the peer stores nothing more; its word stays. */
  private void clear() {
    var _ = own.asSlice(0, WORD).fill((byte) 0);
    var _ = own.asSlice(WORD + ChannelLayout.CHANNEL_LIFE_BYTES).fill((byte) 0);
    SharedMemory.fullFence();
  }

  private String readReason() {
    int length = Math.clamp(own.get(JAVA_INT, REASON_LENGTH), 0, MAX_REASON_BYTES);
    byte[] text = own.asSlice(REASON, length).toArray(JAVA_BYTE);
    return new String(text, StandardCharsets.US_ASCII).replaceAll("[^\\p{Graph} ]", "?");
  }

  private static long word(long life, int phase) {
    return life << PHASE_BITS | phase;
  }
}
