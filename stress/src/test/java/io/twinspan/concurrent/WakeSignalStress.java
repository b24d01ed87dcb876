package io.twinspan.concurrent;

import io.twinspan.linux.Poller;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The producer publishes and rings; the agent arms and looks: nobody sleeps on work. */
@JCStressTest
@Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "seen before the sleep, no signal")
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "seen, and signalled as well")
@Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "not seen, but the sleep ends at once")
@Outcome(id = "0, 0", expect = Expect.FORBIDDEN, desc = "the agent sleeps, and work waits")
@State
public class WakeSignalStress {
  private final WakeSignal signal = new WakeSignal();
  private int work;

  /** Has work for the agent. */
  @Actor
  public void producer() {
    work = 1;
    signal.raise();
  }

  /** Is about to sleep. */
  @Actor
  public void agent(II_Result result) {
    signal.arm();
    result.r1 = work;
  }

  /** Whether a sleep would end. */
  @Arbiter
  public void sleep(II_Result result) {
    try (Poller poller = new Poller()) {
      poller.add(signal.fd(), 0);
      result.r2 = poller.await(0);
    }
    signal.close();
  }
}
