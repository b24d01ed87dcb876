package io.twinspan.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.simulator.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Courses on several threads, in the order of their seeds. */
@Timeout(60)
class CoursesTest {
  private final List<Long> heard = new ArrayList<>();

  private static Outcome outcome(long seed) {
    return new Outcome(seed, "", List.of(), Map.of(), 1, 1, 1, 0, 1);
  }

  private void hear(Outcome outcome) {
    heard.add(outcome.seed());
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void everySeedIsHeardOfOnceAndInOrderOnTheCallersThread() {
    Set<Thread> listeners = ConcurrentHashMap.newKeySet();

    new Courses(CoursesTest::outcome, 3)
        .run(
            7,
            1006,
            outcome -> {
              listeners.add(Thread.currentThread());
              hear(outcome);
            });

    assertThat(heard).isEqualTo(LongStream.rangeClosed(7, 1006).boxed().toList());
    assertThat(listeners).containsExactly(Thread.currentThread());
  }

  @Test
  void aCourseThatTakesLongHoldsUpNoOtherOneButIsHeardOfInItsPlace() {
    CountDownLatch othersAreOver = new CountDownLatch(9);

    new Courses(
            seed -> {
              if (seed == 0) {
                await(othersAreOver);
              } else {
                othersAreOver.countDown();
              }
              return outcome(seed);
            },
            2)
        .run(0, 9, this::hear);

    assertThat(heard).isEqualTo(LongStream.rangeClosed(0, 9).boxed().toList());
  }

  @Test
  void oneSeedIsARange() {
    new Courses(CoursesTest::outcome, 2).run(Long.MAX_VALUE - 1, Long.MAX_VALUE - 1, this::hear);

    assertThat(heard).containsExactly(Long.MAX_VALUE - 1);
  }

  @Test
  void anEndLeavesOutWhatHasNotBegun() {
    Set<Long> begun = ConcurrentHashMap.newKeySet();
    List<Courses> self = new ArrayList<>();
    Courses courses =
        new Courses(
            seed -> {
              begun.add(seed);
              if (seed == 50) {
                self.getFirst().end();
              }
              return outcome(seed);
            },
            3);
    self.add(courses);

    courses.run(0, Long.MAX_VALUE - 1, this::hear);

    assertThat(heard).contains(50L).isEqualTo(begun.stream().sorted().toList());
  }

  @Test
  void whatACourseThrowsEndsAll() {
    Courses courses =
        new Courses(
            seed -> {
              if (seed == 20) {
                throw new StackOverflowError("of 20");
              }
              return outcome(seed);
            },
            2);

    assertThatThrownBy(() -> courses.run(0, Long.MAX_VALUE - 1, this::hear))
        .isInstanceOf(StackOverflowError.class)
        .hasMessage("of 20");
    assertThat(heard).isEqualTo(LongStream.range(0, 20).boxed().toList());
  }
}
