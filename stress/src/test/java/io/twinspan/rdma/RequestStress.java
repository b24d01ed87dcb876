package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JIJ_Result;

/** The requester asks for an atomic and takes the answer; the responder carries it out once. */
@JCStressTest
@Outcome(id = "0, [01], 507", expect = Expect.ACCEPTABLE, desc = "answered later")
@Outcome(id = "5, 1, 507", expect = Expect.ACCEPTABLE, desc = "answered at once")
@Outcome(expect = Expect.FORBIDDEN, desc = "torn, refused, lost, or carried out twice")
@State
public class RequestStress {
  private final long piece = SharedControl.piece();
  private final long data = SharedControl.data(piece);
  private final MemoryRegion counters = SharedControl.B.region();
  private final MemoryRegion results = SharedControl.A.region();
  private final Requester requester =
      new Requester(
          SharedControl.A.channel, SharedControl.A.channel.link().protectionDomain(), piece);
  private final Responder responder =
      new Responder(SharedControl.B.pair, SharedControl.B.channel, piece);
  private final SendSlot slot = new SendSlot(0);
  private boolean taken;

  /** A counter of 5, and a request to add 2. */
  public RequestStress() {
    responder.begin();
    counters.segment().set(JAVA_LONG, data, 5);
    WorkRequest request = new WorkRequest().fetchAndAdd(1, counters.rkey(), data, 2);
    if (!slot.keep(request.sge(results.lkey(), data, 8))) {
      throw new IllegalStateException();
    }
  }

  /** Side A. */
  @Actor
  public void requester(JIJ_Result result) {
    requester.ask(slot);
    for (int i = 0; i < SharedControl.LOOKS && result.r1 == 0; i++) {
      result.r1 = answer(); // so that it meets the answer in the making
    }
  }

  /** Side B. */
  @Actor
  public void responder(JIJ_Result result) {
    for (int i = 0; i < SharedControl.LOOKS && result.r2 == 0; i++) {
      result.r2 = responder.poll();
    }
  }

  /** What was not answered then; and the counter, and what was returned in the end. */
  @Arbiter
  public void rest(JIJ_Result result) {
    int _ = responder.poll();
    long _ = answer();
    long returned = results.segment().get(JAVA_LONG, data);
    result.r3 = 100 * returned + counters.segment().get(JAVA_LONG, data);
  }

  private long answer() {
    if (taken || !requester.isAnswered(slot)) {
      return 0;
    }
    taken = true;
    if (requester.take(slot) != WcStatus.SUCCESS) {
      return -1;
    }
    return results.segment().get(JAVA_LONG, data);
  }
}
