package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.J_Result;

/** A swap of 5 for 105 and an addition of 1000 for the peer, while a thread of the owner adds 1. */
@JCStressTest
@Outcome(id = "1106", expect = Expect.ACCEPTABLE, desc = "swapped, and added")
@Outcome(id = "1006", expect = Expect.ACCEPTABLE, desc = "not swapped, because 6 was there")
@Outcome(expect = Expect.FORBIDDEN, desc = "an addition is lost")
@State
public class AtomicStress {
  private final long piece = SharedControl.piece();
  private final long data = SharedControl.data(piece);
  private final MemoryRegion counters = SharedControl.B.region();
  private final Responder responder =
      new Responder(SharedControl.B.pair, SharedControl.B.channel, piece);

  /** Both requests are there. */
  public AtomicStress() {
    counters.segment().set(JAVA_LONG, data, 5);
    int rkey = counters.rkey();
    Requester requester =
        new Requester(
            SharedControl.A.channel, SharedControl.A.channel.link().protectionDomain(), piece);
    int lkey = SharedControl.A.region().lkey();
    for (int i = 0; i < 2; i++) {
      WorkRequest request = new WorkRequest();
      if (i == 0) {
        request.compareAndSwap(1, rkey, data, 5, 105);
      } else {
        request.fetchAndAdd(2, rkey, data, 1000);
      }
      SendSlot slot = new SendSlot(0);
      if (!slot.keep(request.sge(lkey, data, 8))) {
        throw new IllegalStateException();
      }
      requester.ask(slot);
    }
    responder.begin();
  }

  /** The link's thread of the owner. */
  @Actor
  public void link() {
    int _ = responder.poll();
  }

  /** Another thread of the owner. */
  @Actor
  public void local() {
    long _ = SharedMemory.getAndAddLong(counters.segment(), data, 1);
  }

  /** What has become of the word. */
  @Arbiter
  public void rest(J_Result result) {
    result.r1 = counters.segment().get(JAVA_LONG, data);
  }
}
