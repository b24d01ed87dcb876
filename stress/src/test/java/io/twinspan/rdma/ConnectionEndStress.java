package io.twinspan.rdma;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * One side sends and then looks whether the other stands by the connection; the other ends it and
 * then takes what has come. A message that the sender takes for delivered was.
 */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "delivered before the end")
@Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "delivered, though nobody may say so")
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "lost, and not told successful")
@Outcome(id = "1, 0", expect = Expect.FORBIDDEN, desc = "told successful, and lost")
@State
public class ConnectionEndStress {
  private static final MemorySegment DATA = Arena.ofAuto().allocate(8, 8);

  private final long piece = SharedControl.piece();
  private final long block = piece + ChannelLayout.RECEIVE_BLOCK;
  private final Connector a = SharedControl.A.connector(piece);
  private final Connector b = SharedControl.B.connector(piece);
  private final ReceiveRing ring =
      new ReceiveRing(
          SharedControl.B.channel,
          SharedControl.B.pair.protectionDomain(),
          block,
          SharedControl.DEPTH);
  private final PeerReceives receives =
      new PeerReceives(SharedControl.A.channel, SharedControl.A.pair, block, SharedControl.DEPTH);
  private final SendSlot slot = new SendSlot(0);

  /** Connected, with a receive. */
  public ConnectionEndStress() {
    a.ask(ConnectionTerms.of(QpAttributes.DEFAULTS, 0), new byte[0]);
    b.ask(ConnectionTerms.of(QpAttributes.DEFAULTS, 0), new byte[0]);
    while (!a.peerStands() || !b.peerStands()) {
      var _ = a.look();
      var _ = b.look();
    }
    boolean posted = ring.post(1, SharedControl.B.region(), SharedControl.data(piece), 8);
    receives.begin(0);
    boolean kept = slot.keep(new WorkRequest().send(1).inline(DATA, 0, 8));
    if (!posted || !kept || receives.look() != PeerReceives.Credit.SOME) {
      throw new IllegalStateException();
    }
    slot.receiveIndex = receives.take();
  }

  /** Side A, as when a send completes. */
  @Actor
  public void sender(II_Result result) {
    receives.fillEagerly(slot, DATA, 0);
    SharedMemory.fullFence();
    result.r1 = a.peerStands() ? 1 : 0;
  }

  /** Side B, as when a queue pair fails. */
  @Actor
  public void receiver(II_Result result) {
    b.end(0, 0);
    result.r2 = ring.look() == ReceiveRing.Found.FILL ? 1 : 0;
  }
}
