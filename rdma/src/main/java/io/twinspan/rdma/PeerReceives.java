package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The peer's receives as a sender sees them: mirrored into this side's control window, taken in
 * order, and filled in the peer's. The link's thread only.
 */
final class PeerReceives {
  /** What {@link #look} finds. */
  enum Credit {
    NONE,
    SOME,
    /** The peer's count can't be. */
    BREACH
  }

  private static final int KEY_MASK = (1 << ChannelLayout.SGE_COUNT_SHIFT) - 1;

  private final Channel channel;
  private final @Nullable QueuePair owner;
  private final long block;
  private final long fills;
  private final int depth;
  private final int mask;
  private final boolean checked;

  private long posted;
  private long taken;
  private long filled;
  private long published;

  // Of receives that several queue pairs take: all before this one are filled, and which are after.
  private long reached;
  private final boolean[] isFilled;

  // The scatter list of the receive that was looked at last.
  private int entries;
  private final int[] keys = new int[ChannelLayout.MAX_SGE];
  private final int[] lengths = new int[ChannelLayout.MAX_SGE];
  private final long[] offsets = new long[ChannelLayout.MAX_SGE];

  /**
   * A view of a receive block.
   *
   * @param owner whose partner posts them; null if the channel's queue pairs share them
   * @param block where it begins in the channel's control block
   * @param depth how many receives the peer posts at most
   */
  PeerReceives(Channel channel, @Nullable QueuePair owner, long block, int depth) {
    this.owner = owner;
    this.channel = channel;
    this.block = block;
    this.depth = depth;
    mask = depth - 1;
    isFilled = new boolean[owner == null ? depth : 0];
    checked = channel.spec().crc();
    fills = block + ChannelLayout.fills(depth);
  }

  /** A connection begins: the peer's receives count from here. */
  void begin(long first) {
    taken = first;
    posted = first;
    filled = first;
    published = first;
    reached = first;
    Arrays.fill(isFilled, false);
  }

  /** How many receives were ever taken. */
  long taken() {
    return taken;
  }

  /** The peer's count of its receives, as it was last seen. */
  long posted() {
    return posted;
  }

  /** Whether the peer has a receive left; its count is checked before it is believed. */
  Credit look() {
    if (taken < posted) {
      return Credit.SOME;
    }
    long count = SharedMemory.getLongAcquire(channel.localControl(), block + ChannelLayout.POSTED);
    long left = count - taken;
    // The peer ends a connection before it posts receives for the next one, or numbers them anew.
    if (left == 0 || (owner != null && !owner.peerIsConnected())) {
      return Credit.NONE;
    }
    if (left < 0 || left > depth) {
      return Credit.BREACH;
    }
    posted = count;
    return Credit.SOME;
  }

  /**
   * Reads the next receive.
   *
   * @return how many bytes it takes, or less than 0 if it can't be
   */
  long room() {
    MemorySegment window = channel.localControl();
    long i = taken & mask;
    long entry = block + ChannelLayout.RECEIVES + i * ChannelLayout.SGE_BYTES;
    long head = SharedMemory.getLongAcquire(window, entry); // key and length, little endian
    entries = (int) head >>> ChannelLayout.SGE_COUNT_SHIFT;
    keys[0] = (int) head & KEY_MASK;
    lengths[0] = (int) (head >>> Integer.SIZE);
    if (entries <= 1) {
      return entries == 0 ? 0 : lengths[0];
    }
    return entries > ChannelLayout.MAX_SGE ? -1 : roomOfList(window, i);
  }

  private long roomOfList(MemorySegment window, long i) {
    long rest = block + ChannelLayout.listRests(depth) + i * ChannelLayout.LIST_REST_BYTES;
    long total = lengths[0];
    boolean sound = lengths[0] >= 0;
    for (int k = 1; k < entries; k++) {
      long entry = rest + (k - 1) * ChannelLayout.SGE_BYTES;
      keys[k] = window.get(JAVA_INT, entry + ChannelLayout.SGE_RKEY) & KEY_MASK;
      lengths[k] = window.get(JAVA_INT, entry + ChannelLayout.SGE_LENGTH);
      offsets[k] = window.get(JAVA_LONG, entry + ChannelLayout.SGE_OFFSET);
      sound &= lengths[k] >= 0;
      total += lengths[k];
    }
    return sound ? total : -1;
  }

  int entries() {
    return entries;
  }

  int key(int entry) {
    return keys[entry];
  }

  int lengthBytes(int entry) {
    return lengths[entry];
  }

  long offset(int entry) {
    return offsets[entry];
  }

  /**
   * Whether the peer says that it saw this receive filled; it says so before it takes rights back.
   */
  boolean peerTook(long index) {
    long count = SharedMemory.getLongAcquire(channel.localControl(), block + ChannelLayout.TAKEN);
    return count - index > 0;
  }

  /**
   * Whether the peer, which takes fills in their order, can take that one: no earlier one is still
   * missing. A queue pair's own are never stored but in their order.
   */
  boolean isReached(long index) {
    return owner != null || index < reached;
  }

  /** Reads where the first buffer of that receive is; for who does not send with the fill. */
  void locate() {
    long entry = block + ChannelLayout.RECEIVES + (taken & mask) * ChannelLayout.SGE_BYTES;
    offsets[0] = channel.localControl().get(JAVA_LONG, entry + ChannelLayout.SGE_OFFSET);
  }

  /** Takes the receive that {@link #look} found; it must be filled, or given back. */
  long take() {
    return taken++;
  }

  /** Tells the peer that a receive is filled, the payload with it. */
  void fillEagerly(SendSlot slot, MemorySegment data, long offset) {
    MemorySegment peer = channel.remoteControl();
    long entry = fills + (slot.receiveIndex & mask) * ChannelLayout.FILL_BYTES;
    int length = slot.lengthBytes;
    int flags = slot.operation.fillFlags | ChannelLayout.FLAG_EAGER;
    if (slot.operation.hasImmediate) {
      peer.set(JAVA_INT, entry + ChannelLayout.FILL_IMMEDIATE, slot.immediate);
    }
    if (length > 0) {
      MemorySegment.copy(data, offset, peer, entry + ChannelLayout.FILL_PAYLOAD, length);
    }
    if (checked) {
      peer.set(JAVA_INT, entry + ChannelLayout.FILL_CRC, slot.crc);
    }
    end(entry, slot, ChannelLayout.OPCODE_SEND, flags, length);
  }

  /** Tells the peer that a receive is filled; its payload is where it belongs. */
  void fill(SendSlot slot) {
    MemorySegment peer = channel.remoteControl();
    long entry = fills + (slot.receiveIndex & mask) * ChannelLayout.FILL_BYTES;
    if (slot.operation.hasImmediate) {
      peer.set(JAVA_INT, entry + ChannelLayout.FILL_IMMEDIATE, slot.immediate);
    }
    peer.set(JAVA_LONG, entry + ChannelLayout.FILL_LENGTH, slot.lengthBytes);
    if (checked) {
      peer.set(JAVA_INT, entry + ChannelLayout.FILL_CRC, slot.crc);
      peer.set(JAVA_INT, entry + ChannelLayout.FILL_RKEY, slot.remoteKey);
      peer.set(JAVA_LONG, entry + ChannelLayout.FILL_OFFSET, slot.remoteOffset);
    }
    int opcode = slot.operation.isSend ? ChannelLayout.OPCODE_SEND : ChannelLayout.OPCODE_WRITE;
    end(entry, slot, opcode, slot.operation.fillFlags, 0);
  }

  /** Gives a receive back that was taken and can't be filled any more. */
  void abort(SendSlot slot) {
    long entry = fills + (slot.receiveIndex & mask) * ChannelLayout.FILL_BYTES;
    channel.remoteControl().set(JAVA_LONG, entry + ChannelLayout.FILL_LENGTH, 0);
    end(entry, slot, ChannelLayout.OPCODE_ABORTED, 0, 0);
    channel.link().ringLater();
  }

  /** Tells the peer how many of its receives were filled: a check on what it has seen. */
  void publish() {
    if (published != filled) {
      published = filled;
      SharedMemory.setLongRelease(channel.remoteControl(), block + ChannelLayout.FILLED, filled);
    }
  }

  private void end(long entry, SendSlot slot, int opcode, int flags, int detail) {
    int all = slot.solicited ? flags | ChannelLayout.FLAG_SOLICITED : flags;
    int details = ChannelLayout.fillDetail(detail, slot.attempt);
    long word = ChannelLayout.word(slot.receiveIndex, opcode, slot.queuePair, all, details);
    SharedMemory.setLongRelease(channel.remoteControl(), entry, word);
    filled = slot.receiveIndex + 1;
    slot.filled = true;
    if (owner == null) {
      reach(slot.receiveIndex);
    }
  }

  private void reach(long index) {
    isFilled[(int) index & mask] = true;
    for (int i = (int) reached & mask; reached < taken && isFilled[i]; i = (int) reached & mask) {
      isFilled[i] = false;
      reached++;
    }
  }
}
