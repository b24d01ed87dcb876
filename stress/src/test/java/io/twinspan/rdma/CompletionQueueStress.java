package io.twinspan.rdma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJI_Result;

/** The link's thread adds two completions; another thread polls them whole, in order, once. */
@JCStressTest
@Outcome(id = "0, 0, 2", expect = Expect.ACCEPTABLE, desc = "polled too early")
@Outcome(id = "77, 0, 2", expect = Expect.ACCEPTABLE, desc = "the first one was there")
@Outcome(id = "77, 88, 2", expect = Expect.ACCEPTABLE, desc = "both were there")
@Outcome(id = "0, 77, 2", expect = Expect.ACCEPTABLE, desc = "the first came between two polls")
@Outcome(expect = Expect.FORBIDDEN, desc = "torn, out of order, lost or twice")
@State
public class CompletionQueueStress {
  private final CompletionQueue queue = new CompletionQueue(2, null);
  private final CompletionSource source = queue.source(2);
  private final WorkCompletion completion = new WorkCompletion();
  private int polled;

  /** The link's thread. */
  @Actor
  public void link() {
    source.add(7, WcStatus.SUCCESS, WcOpcode.RECV, 0, 70, 0, 1);
    source.add(8, WcStatus.SUCCESS, WcOpcode.RECV, 0, 80, 0, 1);
  }

  /** The poller. */
  @Actor
  public void poller(JJI_Result result) {
    result.r1 = poll();
    result.r2 = poll();
  }

  /** The rest. */
  @Arbiter
  public void rest(JJI_Result result) {
    for (boolean more = true; more; ) {
      more = poll() != 0;
    }
    result.r3 = polled;
  }

  private long poll() {
    if (!queue.poll(completion)) {
      return 0;
    }
    polled++;
    return completion.wrId() + completion.byteLength();
  }
}
