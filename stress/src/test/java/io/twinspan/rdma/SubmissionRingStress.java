package io.twinspan.rdma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Two threads fill slots, one of them takes them too: each comes once, whole, and none is lost. */
@JCStressTest
@Outcome(id = "[0123], 3", expect = Expect.ACCEPTABLE, desc = "taken at once, or afterwards")
@Outcome(expect = Expect.FORBIDDEN, desc = "lost, taken twice, or torn")
@State
public class SubmissionRingStress {
  private final SubmissionRing ring = new SubmissionRing(2);
  private final int[] slots = new int[2];
  private int sum;

  /** A thread that submits. */
  @Actor
  public void one() {
    submit(1);
  }

  /** Another one, which is the link's thread too. */
  @Actor
  public void other(II_Result result) {
    submit(2);
    result.r1 = take() + take();
  }

  /** What was left. */
  @Arbiter
  public void rest(II_Result result) {
    int _ = take();
    int _ = take();
    result.r2 = sum;
  }

  private void submit(int what) {
    long position = ring.claim();
    slots[ring.slot(position)] = what;
    ring.publish(position);
  }

  private int take() {
    int slot = ring.first();
    if (slot == SubmissionRing.NONE) {
      return 0;
    }
    int what = slots[slot];
    slots[slot] = 0;
    ring.release();
    sum += what;
    return what;
  }
}
