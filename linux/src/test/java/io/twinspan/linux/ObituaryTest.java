package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ObituaryTest {
  private static final long LONG_NS = TimeUnit.SECONDS.toNanos(30);

  private final Fd memory = Memfd.create("words", 4096);
  private Mapping mapping;
  private Mapping sameMemory;
  private MemorySegment word;

  @BeforeEach
  void map() {
    mapping = Mapping.shared(memory, 0, 4096, Mapping.Protection.READ_WRITE);
    sameMemory = Mapping.shared(memory, 0, 4096, Mapping.Protection.READ_WRITE);
    word = mapping.segment().asSlice(128, 4);
  }

  @AfterEach
  void unmap() {
    mapping.close();
    sameMemory.close();
    memory.close();
  }

  @Test
  void theDeathOfTheThreadIsWrittenIntoTheWordAndWakesWhoSleepsOnAnotherMappingOfIt()
      throws Exception {
    AtomicInteger tid = new AtomicInteger();
    CountDownLatch die = new CountDownLatch(1);
    CountDownLatch written = new CountDownLatch(1);
    Thread owner =
        Thread.ofPlatform()
            .start(() -> {
              Obituary _ = Obituary.of(word);
              tid.set(Threads.currentId());
              written.countDown();
              await(die);
            });
    written.await();
    int alive = word.get(JAVA_INT, 0);
    assertThat(alive).isEqualTo(Futex.WAITERS | tid.get());
    assertThat(tid.get()).isPositive().isNotEqualTo(Threads.currentId());

    MemorySegment other = sameMemory.segment().asSlice(128, 4);
    AtomicReference<Integer> slept = new AtomicReference<>();
    Thread sleeper = Thread.ofPlatform().start(() -> slept.set(Futex.await(other, alive, LONG_NS)));
    die.countDown();
    owner.join();
    sleeper.join();

    assertThat(slept.get()).isIn(0, -Errno.EAGAIN);
    assertThat(word.get(JAVA_INT, 0)).isEqualTo(Futex.WAITERS | Futex.OWNER_DIED);
  }

  @Test
  void oneThatWasTakenBackTellsOfNoDeath() throws Exception {
    Thread owner =
        Thread.ofPlatform()
            .start(() -> {
              try (Obituary _ = Obituary.of(word)) {
                assertThat(word.get(JAVA_INT, 0)).isNotZero();
              }
            });
    owner.join();

    assertThat(word.get(JAVA_INT, 0)).isZero();
  }

  @Test
  void aThreadMayLeaveWordManyTimes() throws Exception {
    Thread owner =
        Thread.ofPlatform()
            .start(() -> {
              for (int i = 0; i < 100; i++) {
                Obituary.of(word.asSlice(0)).close();
              }
              Obituary _ = Obituary.of(word);
            });
    owner.join(); // the end for Java; for the kernel it comes a little later
    int seen = word.get(JAVA_INT, 0);
    while ((seen & Futex.OWNER_DIED) == 0) {
      int _ = Futex.await(word, seen, LONG_NS);
      seen = word.get(JAVA_INT, 0);
    }

    assertThat(word.get(JAVA_INT, 0)).isEqualTo(Futex.WAITERS | Futex.OWNER_DIED);
  }

  @Test
  void whoSleepsOnAWordThatHasChangedIsToldSoAndWhoNobodyWakesWakesByItself() {
    word.set(JAVA_INT, 0, 7);

    assertThat(Futex.await(word, 8, LONG_NS)).isEqualTo(-Errno.EAGAIN);
    assertThat(Futex.await(word, 7, 1_000_000)).isEqualTo(-Errno.ETIMEDOUT);
    assertThat(Futex.wake(word, 1)).isZero();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
