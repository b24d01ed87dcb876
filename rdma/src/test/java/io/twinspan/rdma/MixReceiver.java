package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;

/**
 * The receiving half of a queue pair: knows which message comes next, and what is in it. Receives
 * complete in the order in which they were posted, and each exactly once.
 */
final class MixReceiver {
  private static final long RECEIVE = 1L << 62;
  private static final int NUMBER_SHIFT = 40;

  private final MixQueuePair owner;
  private final MixShape shape;
  private final int depth;
  private final MemorySegment buffers;
  private final MemorySegment announcements;
  private long posted;
  private long completed;
  private int expected;
  private long peerEpoch;
  private boolean starving;
  private boolean failed;

  MixReceiver(
      MixQueuePair owner, MixShape shape, MemorySegment buffers, MemorySegment announcements) {
    this.owner = owner;
    this.shape = shape;
    this.buffers = buffers;
    this.announcements = announcements;
    depth = owner.qp().channel().spec().receiveDepth();
  }

  /** How many messages of the present connection have come. */
  int received() {
    return expected;
  }

  /** Whether nothing is outstanding. */
  boolean isDrained() {
    return completed == posted;
  }

  /** A connection is going to be made. */
  void begin() {
    expected = 0;
    starving = false;
    failed = false;
    post(depth);
  }

  void established(long epoch) {
    peerEpoch = epoch;
  }

  /** Posts receives for those that came. */
  int post(int most) {
    MemoryRegion region = owner.region(MixShape.RECEIVES);
    int done = 0;
    while (!starving && done < most && posted - completed < depth && region != null) {
      long id = RECEIVE | (long) owner.qp().number() << NUMBER_SHIFT | posted;
      long offset = posted % depth * shape.messageBytes();
      int result = owner.qp().postReceive(id, region, offset, shape.messageBytes());
      MixViolation.require(result == QueuePair.OK, "a receive was not taken: %d", result);
      posted++;
      done++;
    }
    return done;
  }

  void completion(WorkCompletion wc) {
    long id = RECEIVE | (long) owner.qp().number() << NUMBER_SHIFT | completed;
    MixViolation.require(
        completed < posted && wc.wrId() == id, "receive %x completes, not %x", wc.wrId(), id);
    long buffer = completed % depth * shape.messageBytes();
    completed++;
    if (!failed) {
      owner.trace().add("recv " + wc.status(), expected, wc.byteLength());
    }
    if (!wc.isSuccess()) {
      boolean allowed = wc.status() == WcStatus.WR_FLUSH_ERR || owner.side().isTainted();
      MixViolation.require(allowed, "a receive failed with %s", wc.status());
      failed = true;
      return;
    }
    MixViolation.require(!failed, "a receive succeeded after another had failed");
    if (wc.opcode() == WcOpcode.RECV) {
      MixViolation.require(
          wc.byteLength() >= 0 && wc.byteLength() <= shape.messageBytes(),
          "%d bytes were received into %d",
          wc.byteLength(),
          shape.messageBytes());
    }
    owner.side().tally().count("received");
    if (!owner.isTainted()) {
      check(wc, buffer);
    }
    expected++;
  }

  private void check(WorkCompletion wc, long buffer) {
    MixViolation.require(owner.isOpen(), "a message came before the connection was told");
    if (wc.opcode() == WcOpcode.RECV && wc.byteLength() == 0) {
      starving = true;
      return;
    }
    MixMessage message = MixMessage.of(shape, peerEpoch, expected);
    WcOpcode opcode = message.announced() ? WcOpcode.RECV_RDMA_WITH_IMM : WcOpcode.RECV;
    MixViolation.require(
        wc.opcode() == opcode && wc.byteLength() == message.length(),
        "message %d is %s of %d bytes, not %s",
        expected,
        wc.opcode(),
        wc.byteLength(),
        message);
    MemorySegment memory = message.announced() ? announcements : buffers;
    long offset = message.announced() ? shape.announcedOffset(expected % depth) : buffer;
    int at = MixPattern.mismatch(memory, offset, message.length(), message.stamp());
    MixViolation.require(at < 0, "message %d, %s, differs at %d", expected, message, at);
    if (wc.withImmediate()) {
      MixViolation.require(
          wc.immediate() == MixMessage.immediate(expected), "message %d: immediate", expected);
    }
    MixViolation.require(
        wc.withImmediate() || !message.announced(), "message %d has no immediate", expected);
  }
}
