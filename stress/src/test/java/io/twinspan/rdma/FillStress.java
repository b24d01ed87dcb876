package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJ_Result;

/**
 * The sender fills two receives; the receiver polls the entries, and finds them whole, in order.
 */
@JCStressTest
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "polled too early")
@Outcome(id = "7, 0", expect = Expect.ACCEPTABLE, desc = "the first was there")
@Outcome(id = "7, 8", expect = Expect.ACCEPTABLE, desc = "both were there")
@Outcome(id = "0, 7", expect = Expect.ACCEPTABLE, desc = "the first came between two polls")
@Outcome(expect = Expect.FORBIDDEN, desc = "torn, out of order, or twice")
@State
public class FillStress {
  private static final MemorySegment VALUES = Arena.ofAuto().allocate(16, 8);

  static {
    VALUES.set(JAVA_LONG, 0, 7);
    VALUES.set(JAVA_LONG, 8, 8);
  }

  private final long piece = SharedControl.piece();
  private final ReceiveRing ring =
      new ReceiveRing(
          SharedControl.B.channel,
          SharedControl.B.pair.protectionDomain(),
          piece,
          SharedControl.DEPTH);
  private final PeerReceives receives =
      new PeerReceives(SharedControl.A.channel, SharedControl.A.pair, piece, SharedControl.DEPTH);
  private final SendSlot slot = new SendSlot(0);
  private final WorkRequest request = new WorkRequest();

  /** Two receives are posted. */
  public FillStress() {
    receives.begin(0);
    for (int i = 0; i < SharedControl.DEPTH; i++) {
      boolean posted = ring.post(i, SharedControl.B.region(), SharedControl.data(piece), 8);
      if (!posted) {
        throw new IllegalStateException();
      }
    }
  }

  /** Side A. */
  @Actor
  public void sender() {
    for (int i = 0; i < SharedControl.DEPTH; i++) {
      boolean sound = slot.keep(request.send(i).inline(VALUES, i * 8L, 8));
      if (!sound || receives.look() != PeerReceives.Credit.SOME) {
        throw new IllegalStateException();
      }
      slot.receiveIndex = receives.take();
      receives.fillEagerly(slot, VALUES, i * 8L);
    }
  }

  /** Side B. */
  @Actor
  public void receiver(JJ_Result result) {
    result.r1 = poll();
    result.r2 = poll();
  }

  private long poll() {
    ReceiveRing.Found found = ring.look();
    for (int i = 0; i < SharedControl.LOOKS && found == ReceiveRing.Found.NOTHING; i++) {
      found = ring.look(); // so that it meets the fill in the making
    }
    if (found == ReceiveRing.Found.NOTHING) {
      return 0;
    }
    if (found != ReceiveRing.Found.FILL || ring.lengthBytes() != 8 || !ring.place()) {
      return -1;
    }
    ring.advance();
    return SharedControl.word(SharedControl.B, piece);
  }
}
