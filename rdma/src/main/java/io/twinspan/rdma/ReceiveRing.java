package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Receives that are mirrored to the peer, and what it filled them with, in order. The link's thread
 * only.
 *
 * <p>Counts go on over connections, and skip the whole ring before every attempt to make one; what
 * a connection begins with is agreed when it is made. So a fill of a former connection or attempt
 * is never mistaken for one of the present. Only shared receives keep their counts, as other queue
 * pairs go on with them: there the fill names the attempt.
 *
 * <p>Receives are published to the peer one by one while it has few, then a quarter of the ring at
 * a time, so that a busy receiver rarely stores into lines that its peer reads.
 */
final class ReceiveRing {
  /** What {@link #look} finds in the place of the next fill. */
  enum Found {
    NOTHING,
    FILL,
    BREACH
  }

  /** How many fills are loaded at once where there are many; a power of two. */
  private static final int LOOK_AHEAD = 4;

  private final Channel channel;
  private ProtectionDomain domain;
  private final long block;
  private final long fills;
  private final int depth;
  private final int mask;
  private final int quarter;
  private final boolean checked;
  private final ReceiveSlot[] slots;
  private long posted;
  private long published;
  private long completed;
  private long taken;
  private long skipped;

  // The fill that was looked at last.
  private long word;
  private int opcode;
  private int flags;
  private int length;
  private int attempt;
  private int immediate;
  private int crc;
  private int rkey;
  private long offset;

  ReceiveRing(Channel channel, ProtectionDomain domain, long block, int depth) {
    this.domain = domain;
    this.channel = channel;
    this.block = block;
    this.depth = depth;
    mask = depth - 1;
    checked = channel.spec().crc();
    quarter = Math.max(1, depth / 4);
    fills = block + ChannelLayout.fills(depth);
    slots = new ReceiveSlot[depth];
    for (int i = 0; i < depth; i++) {
      slots[i] = new ReceiveSlot();
    }
  }

  /** Another domain, before the first receive. */
  void domain(ProtectionDomain other) {
    domain = other;
  }

  ProtectionDomain domain() {
    return domain;
  }

  /** Begins anew in memory that is zero, without what was posted. */
  void restart() {
    posted = 0;
    published = 0;
    completed = 0;
    taken = 0;
    skipped = 0;
  }

  long completed() {
    return completed;
  }

  /** How many receives there were when the last message was delivered, or a connection began. */
  long taken() {
    return taken;
  }

  /** Numbers what is outstanding anew, each in its old place, and tells the peer. */
  void renumber() {
    skipped += depth;
    completed += depth;
    published += depth;
    posted += depth;
    taken = completed;
    publish();
  }

  /** For tools: how many counts stand for no receive. */
  long skipped() {
    return skipped;
  }

  int outstanding() {
    return (int) (posted - completed);
  }

  /** Keeps a receive of one buffer; there is room. Returns whether it can be right. */
  boolean post(long id, MemoryRegion region, long offset, int lengthBytes) {
    if (!region.isReceivable(domain, channel, offset, lengthBytes)) {
      return false;
    }
    ReceiveSlot slot = slots[(int) posted & mask];
    slot.wrId = id;
    slot.sges = 1;
    if (slot.regions[0] != region) {
      slot.regions[0] = region; // a store of a reference costs more than this with some collectors
    }
    slot.offsets[0] = offset;
    slot.lengths[0] = lengthBytes;
    slot.totalBytes = lengthBytes;
    posted++;
    publishIfShort();
    return true;
  }

  /** Keeps a receive with a list of buffers; there is room. Returns whether it can be right. */
  boolean post(ReceiveRequest request) {
    if (request.sges > ChannelLayout.MAX_SGE) {
      return false;
    }
    ReceiveSlot slot = slots[(int) posted & mask];
    slot.wrId = request.wrId;
    slot.sges = request.sges;
    slot.totalBytes = 0;
    for (int i = 0; i < request.sges; i++) {
      MemoryRegion region = request.regions[i];
      if (region == null
          || !region.isReceivable(domain, channel, request.offsets[i], request.lengths[i])) {
        return false;
      }
      slot.regions[i] = region;
      slot.offsets[i] = request.offsets[i];
      slot.lengths[i] = request.lengths[i];
      slot.totalBytes += request.lengths[i];
    }
    posted++;
    publishIfShort();
    return true;
  }

  /** Publishes if there is enough for it, or the peer may be waiting. */
  void publishIfShort() {
    long unpublished = posted - published;
    if (checked || unpublished >= quarter || (unpublished > 0 && published - completed < quarter)) {
      publish();
      channel.link().ringLater();
    }
  }

  /** Tells the peer of all receives; the memory of a new life is zero. */
  void publish() {
    MemorySegment peer = channel.remoteControl();
    for (; published < posted; published++) {
      mirror(peer, slots[(int) published & mask], published & mask);
    }
    SharedMemory.setLongRelease(peer, block + ChannelLayout.TAKEN, taken);
    SharedMemory.setLongRelease(peer, block + ChannelLayout.POSTED, posted);
  }

  /** Looks for the next fill and reads what it says. */
  Found look() {
    MemorySegment own = channel.localControl();
    long entry = entry(completed);
    word = SharedMemory.getLongAcquire(own, entry);
    int distance = ChannelLayout.distance(word, completed);
    if (distance < 0 || word == 0) {
      return Found.NOTHING;
    }
    if (distance > 0 || completed == published) {
      return Found.BREACH;
    }
    if ((completed & LOOK_AHEAD - 1) == 0) {
      lookAhead(own);
    }
    opcode = ChannelLayout.opcode(word);
    flags = ChannelLayout.flags(word);
    attempt = ChannelLayout.attempt(word);
    immediate =
        has(ChannelLayout.FLAG_IMMEDIATE | ChannelLayout.FLAG_INVALIDATE)
            ? own.get(JAVA_INT, entry + ChannelLayout.FILL_IMMEDIATE)
            : 0;
    if (checked) {
      crc = own.get(JAVA_INT, entry + ChannelLayout.FILL_CRC);
      rkey = own.get(JAVA_INT, entry + ChannelLayout.FILL_RKEY);
      offset = own.get(JAVA_LONG, entry + ChannelLayout.FILL_OFFSET);
    }
    if (has(ChannelLayout.FLAG_EAGER)) {
      length = ChannelLayout.eagerLength(word);
      return isSend() && length <= ChannelLayout.EAGER_BYTES ? Found.FILL : Found.BREACH;
    }
    long said = own.get(JAVA_LONG, entry + ChannelLayout.FILL_LENGTH);
    length = (int) said;
    boolean sound =
        said == length
            && length >= 0
            && (isSend() || isAborted() || opcode == ChannelLayout.OPCODE_WRITE);
    return sound ? Found.FILL : Found.BREACH;
  }

  /**
   * Loads the lines of some fills at once if the peer has filled them all: one after the other,
   * each would be waited for.
   */
  private void lookAhead(MemorySegment own) {
    long last = completed + LOOK_AHEAD - 1;
    long lastWord = SharedMemory.getLongOpaque(own, entry(last));
    if (lastWord == 0 || ChannelLayout.distance(lastWord, last) != 0) {
      return;
    }
    for (long i = completed; i <= last; i++) {
      long entry = entry(i);
      long _ = SharedMemory.getLongOpaque(own, entry);
      long _ = SharedMemory.getLongOpaque(own, entry + ChannelLayout.FILL_BYTES / 2);
    }
  }

  private long entry(long index) {
    return fills + (index & mask) * ChannelLayout.FILL_BYTES;
  }

  /** Whether the peer's own count says that it filled more than was found; rarely asked. */
  boolean isBehind() {
    long count = SharedMemory.getLongAcquire(channel.localControl(), block + ChannelLayout.FILLED);
    return count > completed && look() == Found.NOTHING;
  }

  String describe() {
    return "fill %x in the place of %d of %d".formatted(word, completed, published);
  }

  /** Index of the queue pair that the fill is for. */
  int queuePair() {
    return ChannelLayout.queuePair(word);
  }

  /** For which attempt to connect of that queue pair the fill was made; some bits of its serial. */
  int attempt() {
    return attempt;
  }

  boolean isAborted() {
    return opcode == ChannelLayout.OPCODE_ABORTED;
  }

  boolean isSend() {
    return opcode == ChannelLayout.OPCODE_SEND;
  }

  boolean has(int flag) {
    return (flags & flag) != 0;
  }

  int lengthBytes() {
    return length;
  }

  int immediate() {
    return immediate;
  }

  long wrId() {
    return slots[(int) completed & mask].wrId;
  }

  /** Whether the fill fits into its receive. */
  boolean fits() {
    return !isSend() || length <= slots[(int) completed & mask].totalBytes;
  }

  /**
   * Puts the payload into the receive's buffers if it came with the fill; false if they are gone.
   */
  boolean place() {
    if (!has(ChannelLayout.FLAG_EAGER) || length == 0) {
      return true;
    }
    ReceiveSlot slot = slots[(int) completed & mask];
    MemorySegment own = channel.localControl();
    long from = fills + (completed & mask) * ChannelLayout.FILL_BYTES + ChannelLayout.FILL_PAYLOAD;
    int left = length;
    for (int i = 0; i < slot.sges && left > 0; i++) {
      MemoryRegion region = slot.regions[i];
      int part = Math.min(left, slot.lengths[i]);
      if (region == null || !region.isValid()) {
        return false;
      }
      MemorySegment.copy(own, from, region.segment(), slot.offsets[i], part);
      from += part;
      left -= part;
    }
    return true;
  }

  /** Where a write has brought its data, by the peer's account. */
  @Nullable MemoryRegion target(ProtectionDomain of) {
    return channel.regions().landed(of, rkey, offset, length);
  }

  /**
   * Whether the CRC is that of what came and lies in its place.
   *
   * @param target of a write
   */
  boolean isIntact(PayloadCrc of, @Nullable MemoryRegion target) {
    of.begin();
    if (target != null) {
      of.add(target.segment(), offset, length);
    }
    ReceiveSlot slot = slots[(int) completed & mask];
    int left = isSend() ? length : 0;
    for (int i = 0; i < slot.sges && left > 0; i++) {
      MemoryRegion region = slot.regions[i];
      int part = Math.min(left, slot.lengths[i]);
      if (region != null) {
        of.add(region.segment(), slot.offsets[i], part);
      }
      left -= part;
    }
    if (has(ChannelLayout.FLAG_IMMEDIATE | ChannelLayout.FLAG_INVALIDATE)) {
      of.add(immediate);
    }
    return of.value() == crc;
  }

  /** The receive that was looked at is done with. */
  void advance() {
    completed++;
    taken = completed;
  }

  /** Gives up the oldest receive; returns its id. */
  long drop() {
    long id = wrId();
    completed++;
    published = Math.max(published, completed);
    return id;
  }

  private void mirror(MemorySegment peer, ReceiveSlot slot, long i) {
    long entry = block + ChannelLayout.RECEIVES + i * ChannelLayout.SGE_BYTES;
    mirror(peer, entry, slot, 0, slot.sges << ChannelLayout.SGE_COUNT_SHIFT);
    long rest = block + ChannelLayout.listRests(depth) + i * ChannelLayout.LIST_REST_BYTES;
    for (int k = 1; k < slot.sges; k++) {
      mirror(peer, rest + (k - 1) * ChannelLayout.SGE_BYTES, slot, k, 0);
    }
  }

  private static void mirror(MemorySegment peer, long entry, ReceiveSlot slot, int k, int head) {
    @Nullable MemoryRegion region = slot.regions[k];
    int rkey = region == null ? 0 : region.rkey();
    peer.set(JAVA_INT, entry + ChannelLayout.SGE_RKEY, head | rkey);
    peer.set(JAVA_INT, entry + ChannelLayout.SGE_LENGTH, slot.lengths[k]);
    peer.set(JAVA_LONG, entry + ChannelLayout.SGE_OFFSET, slot.offsets[k]);
  }
}
