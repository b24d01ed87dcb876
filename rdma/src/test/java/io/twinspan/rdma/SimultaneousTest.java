package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What happens at both sides at the same moment, in two threads: what one side was told must be so
 * at the other one. A missing fence shows in some of the rounds only, and only where two processors
 * are free; so there are many.
 */
class SimultaneousTest {
  private static final int ROUNDS = 1500;
  private static final int REQUESTS = 128;
  private static final int LINE_BYTES = 128;
  private static final int LONGEST_DELAY = 400;
  private static final int SPINS = 1000;
  private static final int ATOMICS = 50_000;
  private static final int MILLION = 1_000_000;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(
                  0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, REQUESTS, REQUESTS, 64)));

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemorySegment memoryOfB;
  private @Nullable MemoryRegion region;
  private MemoryRegion result;
  private final ExecutorService other = Executors.newSingleThreadExecutor();
  private final MemorySegment word = Arena.ofAuto().allocate(8, 8);
  private final long[] busy = new long[12 * LINE_BYTES / Long.BYTES];
  private final WorkRequest request = new WorkRequest();

  /** Who may go on: odd numbers are for the other thread. */
  private volatile int turn;

  private volatile boolean enough;

  @BeforeEach
  void open() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    memoryOfB = b.channel().allocate((long) REQUESTS * LINE_BYTES);
    result =
        pair.a.link.protectionDomain().register(Arena.ofAuto().allocate(8, 8), Access.LOCAL_WRITE);
    word.set(JAVA_LONG, 0, 1);
  }

  @AfterEach
  void close() {
    other.shutdownNow();
    pair.close();
  }

  @Test
  void aMessageThatWasToldSuccessfulWasDeliveredBeforeThePeerEndedTheConnection() throws Exception {
    inManyRounds(
        i -> request.send(i).inline(word, 0, 8),
        arrived -> {
          b.qp().disconnect();
          while (!b.isEmpty()) {
            WorkCompletion completion = b.next();
            arrived[(int) completion.wrId()] = completion.isSuccess();
          }
        });
  }

  @Test
  void aWriteThatWasToldSuccessfulWasThereWhenItsRightWasTakenBack() throws Exception {
    inManyRounds(
        i -> request.write(i, region.rkey(), (long) i * LINE_BYTES).inline(word, 0, 8),
        arrived -> {
          region.close();
          for (int i = 0; i < REQUESTS; i++) {
            arrived[i] = memoryOfB.get(JAVA_LONG, (long) i * LINE_BYTES) != 0;
          }
        });
  }

  @Test
  void noAdditionIsLostWhenThePeerAddsAndAThreadDoesToo() throws Exception {
    connect();
    Future<Long> additions = other.submit((Callable<Long>) this::addAtTheOwner);
    for (int i = 0; i < ATOMICS; i++) {
      carryOut(request.fetchAndAdd(i, region.rkey(), 0, MILLION));
    }
    enough = true;
    long added = additions.get();
    assertThat(memoryOfB.get(JAVA_LONG, 0) - added).isEqualTo((long) ATOMICS * MILLION);
  }

  @Test
  void noAdditionIsLostWhenThePeerSwapsAndAThreadAdds() throws Exception {
    connect();
    Future<Long> additions = other.submit((Callable<Long>) this::addAtTheOwner);
    long swaps = 0;
    for (int i = 0; i < ATOMICS; i++) {
      long expected = memoryOfB.get(JAVA_LONG, 0);
      carryOut(request.compareAndSwap(i, region.rkey(), 0, expected, expected + MILLION));
      swaps += result.segment().get(JAVA_LONG, 0) == expected ? 1 : 0;
    }
    enough = true;
    long added = additions.get();
    assertThat(memoryOfB.get(JAVA_LONG, 0) - added).isEqualTo(swaps * MILLION);
  }

  /** Until it is enough; returns how often. */
  private long addAtTheOwner() {
    long count = 0;
    while (!enough) {
      var _ = SharedMemory.getAndAddLong(memoryOfB, 0, 1);
      count++;
      delay((int) count & 31);
    }
    return count;
  }

  private void carryOut(WorkRequest atomic) {
    assertThat(a.qp().postSend(atomic.sge(result.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    b.qp().goOn();
    a.qp().goOn();
    if (a.isEmpty()) {
      pair.runUntil(() -> !a.isEmpty());
    }
    assertThat(a.next().status()).isEqualTo(WcStatus.SUCCESS);
  }

  /** What the other thread does at side B. */
  private interface Ending {
    /**
     * Ends something.
     *
     * @param arrived takes which requests had come by then
     */
    void end(boolean[] arrived);
  }

  private void inManyRounds(IntFunction<WorkRequest> requests, Ending ending) throws Exception {
    long seed = System.nanoTime();
    boolean[] arrived = new boolean[REQUESTS];
    Future<?> ender = other.submit(() -> endEveryRound(new Random(seed), ending, arrived));
    for (int round = 0; round < ROUNDS; round++) {
      connect();
      turn = 2 * round + 1;
      for (int i = 0; i < REQUESTS && a.qp().state() == QpState.RTS; i++) {
        storeElsewhere();
        int _ = a.qp().postSend(requests.apply(i));
        a.qp().goOn();
      }
      awaitTurn(2 * round + 2, ender);
      a.qp().disconnect();
      while (!a.isEmpty()) {
        int told = (int) a.next().wrId();
        boolean holds = !a.completion().isSuccess() || arrived[told];
        assertThat(holds).as("request %d, round %d, seed %d", told, round, seed).isTrue();
      }
    }
    ender.get();
  }

  private void endEveryRound(Random random, Ending ending, boolean[] arrived) {
    for (int round = 0; round < ROUNDS; round++) {
      awaitTurn(2 * round + 1, null);
      Arrays.fill(arrived, false);
      delay(random.nextInt(LONGEST_DELAY));
      storeElsewhere();
      ending.end(arrived);
      var _ = memoryOfB.fill((byte) 0);
      turn = 2 * round + 2;
    }
  }

  private void awaitTurn(int awaited, @Nullable Future<?> from) {
    for (int i = 1; turn != awaited; i++) {
      Thread.onSpinWait();
      if (i % SPINS == 0) {
        LockSupport.parkNanos(1000); // there may be one processor for both
        boolean ended = Thread.interrupted() || (from != null && from.isDone());
        assertThat(ended && turn != awaited).as("the other thread has ended").isFalse();
      }
    }
  }

  private void connect() {
    a.qp().reset().init();
    b.qp().reset().init();
    while (!a.isEmpty() || !b.isEmpty()) {
      var _ = a.isEmpty() ? b.next() : a.next();
    }
    if (region == null || !region.isValid()) {
      region =
          b.channel()
              .register(
                  0, memoryOfB, Access.LOCAL_WRITE, Access.REMOTE_WRITE, Access.REMOTE_ATOMIC);
    }
    for (int i = 0; i < REQUESTS; i++) {
      assertThat(b.qp().postReceive(i, region, (long) i * LINE_BYTES, 64)).isEqualTo(QueuePair.OK);
    }
    a.qp().connect();
    b.qp().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }

  /**
   * Keeps the processor's stores waiting for lines that the other one has: what follows is late.
   */
  private void storeElsewhere() {
    for (int i = 0; i < busy.length; i += LINE_BYTES / Long.BYTES) {
      busy[i] = i;
    }
  }

  private static void delay(int spins) {
    for (int i = 0; i < spins; i++) {
      Thread.onSpinWait();
    }
  }
}
