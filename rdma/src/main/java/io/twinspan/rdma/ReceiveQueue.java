package io.twinspan.rdma;

/** The receive side of a queue pair: its own receives, and their completions. */
final class ReceiveQueue {
  private final QueuePair queuePair;
  private final CompletionSource completions;
  private final ReceiveRing ring;
  private boolean polling;

  ReceiveQueue(QueuePair queuePair, Channel channel, int index, CompletionQueue completions) {
    this.queuePair = queuePair;
    ChannelSpec spec = channel.spec();
    long block = ChannelLayout.queuePair(spec, index) + ChannelLayout.RECEIVE_BLOCK;
    ring = new ReceiveRing(channel, block, spec.receiveDepth());
    this.completions = completions.source(spec.receiveDepth());
  }

  /** Which receive would be the first of a connection made now; all before it are done with. */
  long first() {
    return ring.completed();
  }

  /** For tools: how many receives were ever posted. */
  long postedCount() {
    return ring.completed() + ring.outstanding();
  }

  int post(long id, MemoryRegion region, long offset, int lengthBytes) {
    if (completions.isFull(ring.outstanding())) {
      return QueuePair.FULL;
    }
    return ring.post(id, region, offset, lengthBytes) ? QueuePair.OK : QueuePair.INVALID;
  }

  /** A receive of a queue pair that has failed already. */
  int postFlushed(long id) {
    if (completions.isFull(ring.outstanding())) {
      return QueuePair.FULL;
    }
    complete(id, WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
    return QueuePair.OK;
  }

  /** Tells the peer of all receives; the memory of a new life is zero. */
  void publish() {
    ring.publish();
  }

  /** Takes what the peer has filled. */
  int poll() {
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
    if (ring.isBehind()) {
      queuePair.breach("it has filled more receives than are to be seen: " + ring.describe());
    }
  }

  /** Completes everything outstanding without success. */
  void flush() {
    while (ring.outstanding() > 0) {
      complete(ring.drop(), WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0, 0);
    }
  }

  /** Completes the receive that was looked at; false if that was the end of the connection. */
  private boolean deliver() {
    if (!ring.fits()) {
      queuePair.breach(ring.describe() + ": " + ring.lengthBytes() + " bytes are too long");
      return false;
    }
    if (!ring.place()) {
      complete(ring.wrId(), WcStatus.LOC_PROT_ERR, WcOpcode.RECV, 0, 0, 0);
      ring.advance();
      queuePair.fail("a receive's region was deregistered");
      return false;
    }
    WcOpcode opcode = ring.isSend() ? WcOpcode.RECV : WcOpcode.RECV_RDMA_WITH_IMM;
    int flags = ring.has(ChannelLayout.FLAG_IMMEDIATE) ? WorkCompletion.WITH_IMMEDIATE : 0;
    if (ring.has(ChannelLayout.FLAG_SOLICITED)) {
      flags |= WorkCompletion.SOLICITED;
    }
    complete(ring.wrId(), WcStatus.SUCCESS, opcode, flags, ring.lengthBytes(), ring.immediate());
    ring.advance();
    return true;
  }

  private void complete(
      long id, WcStatus status, WcOpcode opcode, int flags, int byteLength, int immediate) {
    completions.add(id, status, opcode, flags, byteLength, immediate, queuePair.number());
  }
}
