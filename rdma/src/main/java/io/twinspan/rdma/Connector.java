package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Makes and ends the connection of a queue pair with its partner: a word of each side in the other
 * one's control window.
 *
 * <pre>
 *   own word       the peer's word, same serial     outcome
 *   REQUEST        REQUEST or ACCEPT                connected (both asked at once, or it accepted)
 *   ACCEPT         (was REQUEST)                    connected
 *   REQUEST        REJECT                           rejected
 *   connected      DISCONNECT, or a later serial    disconnected
 * </pre>
 *
 * <p>The serial is greater with every attempt, so that a word of an earlier one means nothing. Who
 * asks again takes one more than the greatest seen; who sees a greater one than its own follows.
 *
 * <p>The peer may have connected, sent and failed before this side looks. So the receives that wait
 * are numbered anew for every attempt, between the two stores of the word: a fill that was made for
 * an earlier attempt is in the place of no receive any more, and a peer that sees the new count of
 * receives sees that its connection is over.
 */
final class Connector {
  private static final int NONE = 0;
  private static final int REQUEST = 1;
  private static final int ACCEPT = 2;
  private static final int REJECT = 3;
  private static final int DISCONNECT = 4;
  private static final int KIND_BITS = 8;
  private static final int KIND_MASK = (1 << KIND_BITS) - 1;
  private static final long MAX_SERIAL = Long.MAX_VALUE >>> KIND_BITS;
  private static final ValueLayout.OfByte BYTE = JAVA_BYTE;

  /** What was found in the peer's word. */
  enum Finding {
    NOTHING,
    ASKED,
    CONNECTED,
    REJECTED,
    DISCONNECTED
  }

  private enum Phase {
    IDLE,
    ASKING,
    CONNECTED
  }

  private final Channel channel;
  private final ReceiveQueue receives;
  private final long block;
  private final byte[] ownData = new byte[ChannelLayout.MAX_PRIVATE_BYTES];
  private int ownLength;
  private Phase phase = Phase.IDLE;
  private boolean publishing;
  private long serial;
  private ConnectionTerms ownTerms = ConnectionTerms.NONE;

  // The peer's word as it was last read whole, with what came with it.
  private long peerWord;
  private ConnectionTerms peerTerms = ConnectionTerms.NONE;
  private byte[] peerData = new byte[0];
  private long reportedWord;

  /**
   * The connections of a queue pair.
   *
   * @param block where the queue pair's block begins in the channel's control block
   * @param receives what the peer is told of with every attempt
   */
  Connector(Channel channel, long block, ReceiveQueue receives) {
    this.channel = channel;
    this.block = block;
    this.receives = receives;
  }

  /** A life of the link begins; all words are zero. */
  void up() {
    phase = Phase.IDLE;
    serial = 0;
    peerWord = 0;
    reportedWord = 0;
    peerData = new byte[0];
  }

  void ask(ConnectionTerms terms, byte[] data) {
    serial = isAsked() ? serial(peerWord) : Math.max(serial, serial(peerWord)) + 1;
    phase = Phase.ASKING;
    keep(terms, data);
    publish(REQUEST);
  }

  /** Whether the peer has asked and waits for an answer. */
  boolean isAsked() {
    return kind(peerWord) == REQUEST && serial(peerWord) > serial;
  }

  void accept(ConnectionTerms terms, byte[] data) {
    serial = serial(peerWord);
    phase = Phase.CONNECTED;
    keep(terms, data);
    publish(ACCEPT);
  }

  void reject(byte[] data) {
    serial = serial(peerWord);
    phase = Phase.IDLE;
    keep(ConnectionTerms.NONE, data);
    publish(REJECT);
  }

  /**
   * Ends the connection, or the attempt; what the peer announces afterwards may be overlooked.
   *
   * @param taken how many of its receives this side has seen filled
   * @param reason 0, or one that the peer should know
   */
  void end(long taken, int reason) {
    if (phase != Phase.IDLE) {
      phase = Phase.IDLE;
      keep(ConnectionTerms.ofEnd(taken, reason), new byte[0]);
      publish(DISCONNECT);
      SharedMemory.fullFence();
    }
  }

  /** The link is down: there is nobody to tell. */
  void forget() {
    phase = Phase.IDLE;
  }

  /** One load: whether the peer still stands by the connection that was made. */
  boolean peerStands() {
    long word = SharedMemory.getLongAcquire(channel.localControl(), block + ChannelLayout.CM_WORD);
    return word == peerWord && serial(word) == serial && kind(word) != DISCONNECT;
  }

  /** Whether a peer that has ended the connection had seen this receive of its filled before. */
  boolean peerTook(long receiveIndex) {
    MemorySegment own = channel.localControl();
    long word = SharedMemory.getLongAcquire(own, block + ChannelLayout.CM_WORD);
    boolean read = word == peerWord || read(own, word);
    return read
        && kind(peerWord) == DISCONNECT
        && serial(peerWord) == serial
        && receiveIndex < peerTerms.firstReceive();
  }

  /** Whether the peer is changing its word, which will be another one in a moment. */
  boolean peerIsWriting() {
    long word = SharedMemory.getLongAcquire(channel.localControl(), block + ChannelLayout.CM_WORD);
    return kind(word) == NONE;
  }

  /** Why the peer says that it ended the connection; 0 if it does not, or did not. */
  int peerEndReason() {
    boolean ended = kind(peerWord) == DISCONNECT && serial(peerWord) == serial;
    return ended ? peerTerms.endReason() : 0;
  }

  /** Whether this side has asked, and there is no answer yet. */
  boolean isAsking() {
    return phase == Phase.ASKING && !publishing;
  }

  /** The attempt or connection that this side takes part in, or did last. */
  long serial() {
    return serial;
  }

  ConnectionTerms peerTerms() {
    return peerTerms;
  }

  byte[] peerData() {
    return peerData.clone();
  }

  /** Looks at the peer's word. */
  Finding look() {
    MemorySegment own = channel.localControl();
    long word = SharedMemory.getLongAcquire(own, block + ChannelLayout.CM_WORD);
    if (word != peerWord && !read(own, word)) {
      return Finding.NOTHING; // it is being written; the next look will see it
    }
    return switch (phase) {
      case CONNECTED -> whileConnected();
      case ASKING -> whileAsking();
      case IDLE -> whileIdle();
    };
  }

  private Finding whileConnected() {
    boolean over =
        serial(peerWord) > serial || (serial(peerWord) == serial && kind(peerWord) == DISCONNECT);
    return over ? Finding.DISCONNECTED : Finding.NOTHING;
  }

  private Finding whileAsking() {
    if (serial(peerWord) < serial) {
      return Finding.NOTHING;
    }
    if (serial(peerWord) > serial) {
      // If it asks, follow it; if that attempt of it is over, ask above it, or it would not see us.
      boolean asks = kind(peerWord) == REQUEST;
      serial = asks ? serial(peerWord) : serial(peerWord) + 1;
      publish(REQUEST);
      if (!asks) {
        return Finding.NOTHING;
      }
    }
    return switch (kind(peerWord)) {
      case REQUEST, ACCEPT -> {
        phase = Phase.CONNECTED;
        yield Finding.CONNECTED;
      }
      case REJECT -> {
        phase = Phase.IDLE;
        yield Finding.REJECTED;
      }
      case DISCONNECT -> {
        // It had connected and has failed since: ask anew, above its serial.
        serial++;
        publish(REQUEST);
        yield Finding.NOTHING;
      }
      default -> Finding.NOTHING;
    };
  }

  private Finding whileIdle() {
    if (isAsked() && reportedWord != peerWord) {
      reportedWord = peerWord;
      return Finding.ASKED;
    }
    return Finding.NOTHING;
  }

  private boolean read(MemorySegment own, long word) {
    ConnectionTerms terms = ConnectionTerms.read(own, block);
    int length = own.get(JAVA_INT, block + ChannelLayout.CM_PRIVATE_LENGTH);
    byte[] data = new byte[Math.clamp(length, 0, ChannelLayout.MAX_PRIVATE_BYTES)];
    MemorySegment.copy(own, BYTE, block + ChannelLayout.CM_PRIVATE_DATA, data, 0, data.length);
    VarHandle.loadLoadFence();
    boolean whole =
        SharedMemory.getLongAcquire(own, block + ChannelLayout.CM_WORD) == word
            && kind(word) != NONE
            && serial(word) < MAX_SERIAL;
    if (whole) {
      peerWord = word;
      peerTerms = terms;
      peerData = data;
    }
    return whole;
  }

  private void keep(ConnectionTerms terms, byte[] data) {
    if (data.length > ownData.length) {
      throw new IllegalArgumentException("private data of " + data.length + " bytes");
    }
    ownTerms = terms;
    ownLength = data.length;
    System.arraycopy(data, 0, ownData, 0, data.length);
  }

  private void publish(int kind) {
    MemorySegment peer = channel.remoteControl();
    // NONE while the fields change; then the word, which is different from all before it.
    SharedMemory.setLongRelease(peer, block + ChannelLayout.CM_WORD, serial << KIND_BITS);
    VarHandle.fullFence();
    if (kind == REQUEST || kind == ACCEPT) {
      publishing = true; // there can be no answer to what is not yet asked
      receives.beginAttempt();
      publishing = false;
      ownTerms = ownTerms.withFirstReceive(receives.first());
    }
    ownTerms.write(peer, block);
    peer.set(JAVA_INT, block + ChannelLayout.CM_PRIVATE_LENGTH, ownLength);
    MemorySegment.copy(ownData, 0, peer, BYTE, block + ChannelLayout.CM_PRIVATE_DATA, ownLength);
    SharedMemory.setLongRelease(peer, block + ChannelLayout.CM_WORD, serial << KIND_BITS | kind);
    channel.link().ringLater();
  }

  private static int kind(long word) {
    return (int) word & KIND_MASK;
  }

  private static long serial(long word) {
    return word >>> KIND_BITS;
  }
}
