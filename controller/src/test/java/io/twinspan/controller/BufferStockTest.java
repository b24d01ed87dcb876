package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.array.HostRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BufferStockTest {
  private static final int LARGE = HostRequest.MAX_BYTES;
  private static final int SMALL = BufferStock.SMALL_BYTES;

  private final Arena arena = Arena.ofShared();

  @AfterEach
  void freeMemory() {
    arena.close();
  }

  private BufferStock stock(long bytes) {
    return new BufferStock(arena.allocate(bytes, 4096));
  }

  private static List<MemorySegment> takeAll(BufferStock stock, int length) {
    List<MemorySegment> taken = new ArrayList<>();
    for (MemorySegment b = stock.acquire(length); b != null; b = stock.acquire(length)) {
      taken.add(b);
    }
    return taken;
  }

  @Test
  void cutsDisjointAlignedBuffersOfBothSizes() {
    BufferStock stock = stock(4 * (LARGE + 8 * SMALL));

    List<MemorySegment> all = takeAll(stock, 1);

    assertThat(all).filteredOn(b -> b.byteSize() == SMALL).hasSize(32);
    assertThat(all).filteredOn(b -> b.byteSize() == LARGE).hasSize(4);
    all.sort((x, y) -> Long.compare(x.address(), y.address()));
    for (int i = 0; i < all.size(); i++) {
      assertThat(all.get(i).address() % 4096).isZero();
      if (i > 0) {
        MemorySegment before = all.get(i - 1);
        assertThat(all.get(i).address())
            .isGreaterThanOrEqualTo(before.address() + before.byteSize());
      }
    }
    assertThat(stock.inUse()).isEqualTo(36);
  }

  @Test
  void onlyWhatIsLargeTakesALargeOneWhileThereAreSmallOnes() {
    BufferStock stock = stock(LARGE + 8 * SMALL);

    assertThat(stock.acquire(SMALL)).extracting(MemorySegment::byteSize).isEqualTo((long) SMALL);
    assertThat(stock.acquire(SMALL + 1))
        .extracting(MemorySegment::byteSize)
        .isEqualTo((long) LARGE);
    assertThat(stock.acquire(SMALL + 1)).as("no second large one").isNull();
    assertThat(stock.acquire(1)).as("small ones are left").isNotNull();
  }

  @Test
  void whatIsGivenBackCanBeTakenAgain() {
    BufferStock stock = stock(2 * (LARGE + 8 * SMALL));
    List<MemorySegment> first = takeAll(stock, LARGE);

    first.forEach(stock::release);

    assertThat(stock.inUse()).isZero();
    assertThat(takeAll(stock, LARGE)).hasSameSizeAs(first);
  }

  @Test
  void refusesLengthsThatNoBufferHas() {
    BufferStock stock = stock(LARGE + 8 * SMALL);

    assertThatThrownBy(() -> stock.acquire(0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> stock.acquire(LARGE + 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> stock(LARGE)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesToTakeBackWhatIsNotOut() {
    BufferStock stock = stock(LARGE + 8 * SMALL);
    MemorySegment buffer = stock.acquire(LARGE);
    MemorySegment foreign = arena.allocate(LARGE, 4096);
    assertThat(buffer).isNotNull();
    stock.release(buffer);

    assertThatThrownBy(() -> stock.release(buffer)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> stock.release(foreign)).isInstanceOf(IllegalStateException.class);
    assertThat(stock.inUse()).isZero();
  }

  /**
   * Threads take, mark, check and give back. Whoever gets a buffer that another one holds sees that
   * one's mark.
   */
  @Test
  void neverGivesABufferToTwoAtOnce() throws Exception {
    long seed = System.nanoTime();
    System.out.println("BufferStockTest seed " + seed);
    BufferStock stock = stock(3 * (LARGE + 8 * SMALL));
    int threads = 4;
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<Integer>> rounds = new ArrayList<>();
      for (int t = 1; t <= threads; t++) {
        int thread = t;
        rounds.add(pool.submit(() -> takeAndGiveBack(stock, thread, seed + thread)));
      }
      for (Future<Integer> done : rounds) {
        assertThat(done.get()).as("buffers got").isPositive();
      }
    }
    assertThat(stock.inUse()).isZero();
    assertThat(takeAll(stock, 1)).as("none is lost").hasSize(27);
  }

  private static int takeAndGiveBack(BufferStock stock, int thread, long seed) {
    RandomGenerator random = RandomGeneratorFactory.of("SplittableRandom").create(seed);
    ArrayDeque<MemorySegment> held = new ArrayDeque<>();
    int got = 0;
    for (int i = 0; i < 200_000; i++) {
      MemorySegment buffer =
          held.size() < 10 ? stock.acquire(random.nextBoolean() ? 1 : LARGE) : null;
      if (buffer != null) {
        got++;
        buffer.set(ValueLayout.JAVA_INT, 0, thread);
        buffer.set(ValueLayout.JAVA_INT, 4, i);
        held.add(buffer);
      }
      if (!held.isEmpty() && (buffer == null || random.nextBoolean())) {
        MemorySegment back = random.nextBoolean() ? held.removeFirst() : held.removeLast();
        if (back.get(ValueLayout.JAVA_INT, 0) != thread) {
          throw new AssertionError("seed " + seed + ": another thread had the same buffer");
        }
        stock.release(back);
      }
    }
    held.forEach(stock::release);
    return got;
  }
}
