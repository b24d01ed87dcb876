package io.twinspan.rdma;

import io.twinspan.concurrent.SharedMemory;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * The link's thread adds a completion and looks, last after a fence, whether it must tell; the
 * poller asks to be told and polls once more: it never waits for what is there.
 */
@JCStressTest
@Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "polled, and no event")
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "polled, and told as well")
@Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "not polled, but told")
@Outcome(id = "0, 0", expect = Expect.FORBIDDEN, desc = "it sleeps on a completion")
@State
public class CompletionEventStress {
  private final CompletionChannel events = new CompletionChannel();
  private final CompletionQueue queue = new CompletionQueue(1, events);
  private final CompletionSource source = queue.source(1);
  private final WorkCompletion completion = new WorkCompletion();

  /** Before the states are run. */
  public CompletionEventStress() {
    events.add(queue);
  }

  /** The link's thread: a round with work, and the round before a sleep. */
  @Actor
  public void link() {
    source.add(7, WcStatus.SUCCESS, WcOpcode.RECV, 0, 70, 0, 1);
    queue.notifyIfArmed();
    SharedMemory.fullFence();
    queue.notifyIfArmed();
  }

  /** The poller, before it sleeps. */
  @Actor
  public void poller(II_Result result) {
    queue.requestNotify(false);
    result.r1 = queue.poll(completion) ? 1 : 0;
  }

  /** Whether its sleep would end. */
  @Arbiter
  public void sleep(II_Result result) {
    result.r2 = events.poll() == null ? 0 : 1;
    events.close();
  }
}
