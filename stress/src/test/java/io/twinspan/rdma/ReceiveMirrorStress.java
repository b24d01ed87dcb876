package io.twinspan.rdma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** The receiver posts a receive; a sender that sees its count sees the receive itself, whole. */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "looked too early")
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "all of it is there")
@Outcome(expect = Expect.FORBIDDEN, desc = "a receive without its buffer")
@State
public class ReceiveMirrorStress {
  private final long piece = SharedControl.piece();
  private final ReceiveRing ring =
      new ReceiveRing(
          SharedControl.B.channel,
          SharedControl.B.pair.protectionDomain(),
          piece,
          SharedControl.DEPTH);
  private final PeerReceives receives =
      new PeerReceives(SharedControl.A.channel, SharedControl.A.pair, piece, SharedControl.DEPTH);
  private final ReceiveRequest request = new ReceiveRequest();

  /** Nothing is posted. */
  public ReceiveMirrorStress() {
    receives.begin(0);
    MemoryRegion region = SharedControl.B.region();
    request.receive(1).sge(region, 16, 24).sge(region, 48, 8);
  }

  /** Side B. */
  @Actor
  public void receiver() {
    boolean _ = ring.post(request);
  }

  /** Side A. */
  @Actor
  public void sender(I_Result result) {
    PeerReceives.Credit credit = receives.look();
    for (int i = 0; i < SharedControl.LOOKS && credit == PeerReceives.Credit.NONE; i++) {
      credit = receives.look(); // so that it meets the receive in the making
    }
    if (credit == PeerReceives.Credit.NONE) {
      return;
    }
    long room = receives.room();
    receives.locate();
    boolean whole =
        room == 32
            && receives.entries() == 2
            && receives.key(0) == SharedControl.B.region().rkey()
            && receives.key(1) == SharedControl.B.region().rkey()
            && receives.offset(0) == 16
            && receives.offset(1) == 48;
    result.r1 = whole ? 1 : -1;
  }
}
