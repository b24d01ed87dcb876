package io.twinspan.rdma;

import io.twinspan.rdma.MixMessage.Kind;
import java.lang.foreign.MemorySegment;

/** The receiving half of a queue pair: knows which message comes next, and what is in it. */
final class MixReceiver {
  /** No epoch: ESTABLISHED was not told, or is dropped because the link went down before. */
  private static final long NOBODY = 0;

  private final MixQueuePair owner;
  private final MixShape shape;
  private final MixReceives receives;
  private final boolean shared;
  private final int places;
  private final MemorySegment announcements;
  private int expected;
  private long peerEpoch;
  private boolean starving;
  private boolean failed;

  /**
   * The receiver of a queue pair.
   *
   * @param shared whether others take from the receives as well
   * @param announcements where writes with immediate go
   */
  MixReceiver(
      MixQueuePair owner, MixReceives receives, boolean shared, MemorySegment announcements) {
    this.owner = owner;
    this.receives = receives;
    this.shared = shared;
    this.announcements = announcements;
    shape = owner.shape();
    places = MixShape.places(owner.channel().spec());
  }

  /** How many messages of the present connection have come. */
  int received() {
    return expected;
  }

  /** Whether nothing is outstanding that ends with the connection. */
  boolean isDrained() {
    return shared || receives.isDrained();
  }

  /** A connection is going to be made. */
  void begin() {
    expected = 0;
    peerEpoch = NOBODY;
    starving = false;
    failed = false;
    int _ = post(receives.depth());
  }

  void established(long epoch) {
    peerEpoch = epoch;
  }

  /** Posts receives for those that came. */
  int post(int most) {
    boolean mine = !shared && !starving;
    return mine ? receives.post(most, owner.regions().own(MixShape.RECEIVES), false) : 0;
  }

  void completion(WorkCompletion wc) {
    long receive = receives.take(wc.wrId());
    if (!failed) {
      owner.trace().add("recv " + wc.status(), expected, wc.byteLength());
    }
    if (!wc.isSuccess()) {
      boolean allowed = wc.status() == WcStatus.WR_FLUSH_ERR || owner.side().isTainted();
      MixViolation.require(allowed, "a receive failed with %s", wc.status());
      failed = !shared; // what a failed connection had taken comes back during the next one
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
    if (peerEpoch == NOBODY) {
      MixViolation.require(
          owner.isTainted() || owner.isDown(), "a message came before the connection was told");
    } else if (!owner.isTainted()) {
      check(wc, receive);
    }
    if (wc.withInvalidate()) {
      owner.regions().invalidated(wc.invalidatedKey());
    }
    expected++;
  }

  private void check(WorkCompletion wc, long receive) {
    if (wc.opcode() == WcOpcode.RECV && wc.byteLength() == 0) {
      starving = true;
      return;
    }
    MixMessage message = MixMessage.of(shape, peerEpoch, expected);
    boolean announced = message.isAnnounced();
    boolean same =
        wc.opcode() == (announced ? WcOpcode.RECV_RDMA_WITH_IMM : WcOpcode.RECV)
            && wc.byteLength() == message.length()
            && wc.withImmediate() == message.hasImmediate()
            && wc.withInvalidate() == (message.kind() == Kind.SEND_WITH_INVALIDATE)
            && wc.isSolicited() == message.solicited()
            && (!message.hasImmediate() || wc.immediate() == MixMessage.immediate(expected));
    MixViolation.require(
        same,
        "message %d is %s of %d bytes, immediate %s %x, invalidates %s, solicited %s, not %s",
        expected,
        wc.opcode(),
        wc.byteLength(),
        wc.withImmediate(),
        wc.immediate(),
        wc.withInvalidate(),
        wc.isSolicited(),
        message);
    int at =
        announced
            ? MixPattern.mismatch(
                announcements,
                shape.announcedOffset(expected % places),
                message.length(),
                message.stamp())
            : receives.mismatch(receive, message.length(), message.stamp());
    MixViolation.require(at < 0, "message %d, %s, differs at %d", expected, message, at);
  }
}
