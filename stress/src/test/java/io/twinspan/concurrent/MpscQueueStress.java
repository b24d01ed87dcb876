package io.twinspan.concurrent;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** A producer against another one that also consumes: each element comes once, and is whole. */
@JCStressTest
@Outcome(id = "3, 0", expect = Expect.ACCEPTABLE, desc = "both were taken")
@Outcome(expect = Expect.FORBIDDEN, desc = "lost, taken twice, or torn")
@State
public class MpscQueueStress {
  /** What is handed over: its field is set before, and read after. */
  private static final class Parcel {
    private int content;

    Parcel(int content) {
      this.content = content;
    }
  }

  private final MpscQueue<Parcel> queue = new MpscQueue<>(2);
  private int sum;

  /** A producer. */
  @Actor
  public void producer() {
    boolean _ = queue.offer(new Parcel(1));
  }

  /** Another producer, which is the consumer too. */
  @Actor
  public void consumer() {
    boolean _ = queue.offer(new Parcel(2));
    take();
    take();
  }

  /** Takes what was left. */
  @Arbiter
  public void rest(II_Result result) {
    take();
    take();
    result.r1 = sum;
    result.r2 = queue.size();
  }

  private void take() {
    Parcel parcel = queue.poll();
    if (parcel != null) {
      sum += parcel.content;
    }
  }
}
