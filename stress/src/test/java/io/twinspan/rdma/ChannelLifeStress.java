package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/**
 * One side closes a channel while the other one uses it: both open it again, nothing of the former
 * life is left then, and nothing of the new one is lost.
 */
@JCStressTest
@Outcome(id = "[01], [01], 11", expect = Expect.ACCEPTABLE, desc = "open again, at once or later")
@Outcome(expect = Expect.FORBIDDEN, desc = "not open, or with what was stored in another life")
@State
public class ChannelLifeStress {
  private static final long PLACE = ChannelLayout.SHARED_RECEIVES;
  private static final long STALE = 1;
  private static final long FRESH = 2;
  private static final int MOST_LOOKS = 10;
  private static final long BLOCK_BYTES = PLACE + SharedMemory.PADDING_BYTES;
  private static final int BLOCKS = 5120; // more than there are states at a time, twice
  private static final AtomicLong NEXT = new AtomicLong();
  private static final MemorySegment MEMORY = Arena.global().allocate(BLOCKS * BLOCK_BYTES, 128);

  private final Half a;
  private final Half b;

  /** Both sides use the channel in life 0. */
  public ChannelLifeStress() {
    MemorySegment blockOfA = block();
    MemorySegment blockOfB = block();
    a = new Half(blockOfA, blockOfB);
    b = new Half(blockOfB, blockOfA);
  }

  private static MemorySegment block() {
    long at = NEXT.getAndIncrement() % BLOCKS * BLOCK_BYTES;
    return MEMORY.asSlice(at, BLOCK_BYTES).fill((byte) 0);
  }

  /** Side A, which fails. */
  @Actor
  public void failing(III_Result result) {
    a.peer.set(JAVA_LONG, PLACE, STALE);
    a.life.close("A has failed");
    result.r1 = a.look(SharedControl.LOOKS);
  }

  /** Side B, which uses the channel until it knows. */
  @Actor
  public void other(III_Result result) {
    b.peer.set(JAVA_LONG, PLACE, STALE);
    result.r2 = b.look(SharedControl.LOOKS);
  }

  /** Both look until it is open. */
  @Arbiter
  public void rest(III_Result result) {
    for (int i = 0; i < MOST_LOOKS; i++) {
      int _ = a.look(1);
      int _ = b.look(1);
    }
    result.r3 = 10 * a.verdict() + b.verdict();
  }

  private static final class Half {
    private final ChannelLife life = new ChannelLife();
    private final MemorySegment own;
    private final MemorySegment peer;
    private boolean open;
    private boolean stale;

    Half(MemorySegment own, MemorySegment peer) {
      this.own = own;
      this.peer = peer;
      life.up(own, peer);
    }

    /** 0 before it is open again, 1 if it is clean then, else 2. */
    int look(int times) {
      for (int i = 0; i < times && !open; i++) {
        switch (life.look()) {
          case NOTHING -> {}
          case FAILED -> life.close("the peer has failed");
          case OPENED -> {
            open = true;
            stale = own.get(JAVA_LONG, PLACE) == STALE;
            peer.set(JAVA_LONG, PLACE, FRESH);
          }
        }
      }
      return open ? stale ? 2 : 1 : 0;
    }

    /** In the end: 1 if what the peer stored in the new life is there, too. */
    int verdict() {
      return own.get(JAVA_LONG, PLACE) == FRESH ? look(0) : 3;
    }
  }
}
