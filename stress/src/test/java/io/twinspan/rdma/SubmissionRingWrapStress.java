package io.twinspan.rdma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** A slot that the link's thread has released is filled again: nothing of the former is lost. */
@JCStressTest
@Outcome(
    id = "3, [01]",
    expect = Expect.ACCEPTABLE,
    desc = "there was room in time, or there was not")
@Outcome(expect = Expect.FORBIDDEN, desc = "a slot was filled before it was read")
@State
public class SubmissionRingWrapStress {
  private final SubmissionRing ring = new SubmissionRing(2);
  private final int[] slots = new int[2];
  private int sum;

  /** The ring is full. */
  public SubmissionRingWrapStress() {
    int _ = submit(1);
    int _ = submit(2);
  }

  /** A thread that submits one more. */
  @Actor
  public void submitter(II_Result result) {
    result.r2 = submit(100);
  }

  /** The link's thread. */
  @Actor
  public void link() {
    for (int i = 0; i < 2; i++) {
      int slot = ring.first();
      sum += slots[slot];
      ring.release();
    }
  }

  /** What the link's thread has seen. */
  @Arbiter
  public void rest(II_Result result) {
    result.r1 = sum;
  }

  private int submit(int what) {
    long position = ring.claim();
    if (position == SubmissionRing.NONE) {
      return 0;
    }
    slots[ring.slot(position)] = what;
    ring.publish(position);
    return 1;
  }
}
