package io.twinspan.rdma;

import org.jspecify.annotations.Nullable;

/** The receive side of a queue pair: its own receives or the shared ones, and the completions. */
final class ReceiveQueue {
  private final QueuePair queuePair;
  private final Channel channel;
  private final CompletionSource completions;
  private final ReceiveRing ring;
  private final @Nullable SharedReceiveQueue shared;
  private final @Nullable PayloadCrc crc;
  private boolean polling;

  ReceiveQueue(
      QueuePair queuePair,
      Channel channel,
      int index,
      CompletionQueue completions,
      @Nullable SharedReceiveQueue shared) {
    this.queuePair = queuePair;
    this.channel = channel;
    ChannelSpec spec = channel.spec();
    this.shared = shared;
    crc = channel.crc();
    if (shared == null) {
      long block = ChannelLayout.queuePair(spec, index) + ChannelLayout.RECEIVE_BLOCK;
      ring = new ReceiveRing(channel, queuePair.protectionDomain(), block, spec.receiveDepth());
      this.completions = completions.source(spec.receiveDepth());
    } else {
      ring = shared.ring();
      this.completions = completions.source(shared.depth());
    }
  }

  /** Which receive would be the first of a connection made now; all before it are done with. */
  long first() {
    return ring.completed();
  }

  /** How many receives were there when the last message was delivered. */
  long taken() {
    return ring.taken();
  }

  /**
   * An attempt to connect begins: what a former one has filled means nothing. Shared receives of
   * that kind come back flushed.
   */
  void beginAttempt() {
    if (shared == null) {
      ring.renumber();
    } else {
      int _ = shared.poll();
    }
  }

  /** Takes what has arrived, and tells the peer how much that is. */
  void settle() {
    int _ = poll();
    ring.publish();
  }

  /** For tools: how many receives were ever posted. */
  long postedCount() {
    return completedCount() + ring.outstanding();
  }

  /** For tools: how many of these are complete. */
  long completedCount() {
    return ring.completed() - ring.skipped();
  }

  int post(long id, MemoryRegion region, long offset, int lengthBytes) {
    if (shared != null) {
      return QueuePair.INVALID;
    }
    if (completions.isFull(ring.outstanding())) {
      return QueuePair.FULL;
    }
    return ring.post(id, region, offset, lengthBytes) ? QueuePair.OK : QueuePair.INVALID;
  }

  int post(ReceiveRequest request) {
    if (shared != null) {
      return QueuePair.INVALID;
    }
    if (completions.isFull(ring.outstanding())) {
      return QueuePair.FULL;
    }
    return ring.post(request) ? QueuePair.OK : QueuePair.INVALID;
  }

  /** A receive of a queue pair that has failed already. */
  int postFlushed(long id) {
    if (shared != null) {
      return QueuePair.INVALID;
    }
    if (completions.isFull(ring.outstanding())) {
      return QueuePair.FULL;
    }
    complete(id, WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
    return QueuePair.OK;
  }

  /** Tells the peer of all receives; the memory of a new life is zero. */
  void publish() {
    if (shared == null) {
      ring.publish();
    }
  }

  /** Takes what the peer has filled. */
  int poll() {
    if (shared != null) {
      return shared.poll();
    }
    if (polling) {
      return 0; // a region is being closed by what one of these fills says
    }
    polling = true;
    int work = 0;
    ReceiveRing.Found found = ring.look();
    while (found == ReceiveRing.Found.FILL && deliver()) {
      work++;
      found = ring.look();
    }
    polling = false;
    if (found != ReceiveRing.Found.NOTHING) {
      work++;
      if (found == ReceiveRing.Found.BREACH) {
        queuePair.breach(ring.describe());
      }
    }
    if (work > 0 && queuePair.isConnected()) {
      ring.publishIfShort();
    }
    return work;
  }

  /** Finds out whether a fill was lost to corruption; rarely asked. */
  void audit() {
    if (shared == null && ring.isBehind()) {
      queuePair.breach("it has filled more receives than are to be seen: " + ring.describe());
    }
  }

  /** Completes everything outstanding without success. */
  void flush() {
    while (shared == null && ring.outstanding() > 0) {
      complete(ring.drop(), WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
    }
  }

  boolean isShared() {
    return shared != null;
  }

  /** Takes the shared receive that was looked at; false if its completion has no place yet. */
  boolean takeShared() {
    if (completions.isFull(0)) {
      return false;
    }
    if (ring.isAborted() || !queuePair.isConnectedBy(ring.attempt())) {
      complete(ring.wrId(), WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
      ring.advance();
      return true;
    }
    long before = ring.completed();
    if (!deliver() && ring.completed() == before) {
      complete(ring.wrId(), WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
      ring.advance();
    }
    return true;
  }

  /** Completes the receive that was looked at; false if that was the end of the connection. */
  private boolean deliver() {
    if (ring.isAborted() || !ring.fits()) {
      queuePair.breach(ring.describe() + ": " + ring.lengthBytes() + " bytes are too long");
      return false;
    }
    if (!ring.place()) {
      complete(ring.drop(), WcStatus.LOC_PROT_ERR, WcOpcode.RECV, 0, 0, 0);
      queuePair.fail("a receive's region was deregistered");
      return false;
    }
    if (crc != null && !check(crc)) {
      return false;
    }
    WcOpcode opcode = ring.isSend() ? WcOpcode.RECV : WcOpcode.RECV_RDMA_WITH_IMM;
    int flags = ring.has(ChannelLayout.FLAG_IMMEDIATE) ? WorkCompletion.WITH_IMMEDIATE : 0;
    if (ring.has(ChannelLayout.FLAG_INVALIDATE)) {
      MemoryRegion region = channel.regions().of(ring.immediate());
      if (region == null || region.protectionDomain() != queuePair.protectionDomain()) {
        queuePair.breach("it invalidates a region that there is not");
        return false;
      }
      region.close();
      flags |= WorkCompletion.WITH_INVALIDATE;
    }
    if (ring.has(ChannelLayout.FLAG_SOLICITED)) {
      flags |= WorkCompletion.SOLICITED;
    }
    complete(ring.wrId(), WcStatus.SUCCESS, opcode, flags, ring.lengthBytes(), ring.immediate());
    ring.advance();
    return true;
  }

  /** Compares what came with its CRC; false if that was the end of the connection. */
  private boolean check(PayloadCrc of) {
    MemoryRegion target = null;
    if (!ring.isSend() && ring.lengthBytes() > 0) {
      target =
          queuePair.allowsPartner(Access.REMOTE_WRITE)
              ? ring.target(queuePair.protectionDomain())
              : null;
      if (target == null) {
        queuePair.accessViolation("where it wrote: " + ring.describe());
        return false;
      }
    }
    if (ring.isIntact(of, target)) {
      return true;
    }
    WcOpcode opcode = ring.isSend() ? WcOpcode.RECV : WcOpcode.RECV_RDMA_WITH_IMM;
    String what = "the CRC of a message is wrong: " + ring.describe();
    complete(ring.drop(), WcStatus.GENERAL_ERR, opcode, WorkCompletion.BAD_CRC_FLAG, 0, 0);
    queuePair.badMessage(what);
    return false;
  }

  /** Completes a receive that was never posted, without success; false if there is no room. */
  boolean refuse(long id, WcStatus status) {
    if (completions.isFull(ring.outstanding())) {
      return false;
    }
    complete(id, status, WcOpcode.RECV, 0, 0, 0);
    return true;
  }

  private void complete(
      long id, WcStatus status, WcOpcode opcode, int flags, int byteLength, int immediate) {
    completions.add(id, status, opcode, flags, byteLength, immediate, queuePair.number());
  }
}
