package io.twinspan.cli;

import io.twinspan.simulator.Outcome;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.LongFunction;

/**
 * Runs the courses of many seeds on several threads; who listens gets them in the order of their
 * seeds, on its own thread. Courses share nothing.
 */
final class Courses {
  /** How far a thread may be ahead of the oldest course that is not over: some take long. */
  private static final int AHEAD = 32;

  private static final String THREAD = "course-";

  private final LongFunction<Outcome> course;
  private final int threads;
  private volatile boolean ended;

  /**
   * Courses that are run when they are asked for.
   *
   * @param course runs that of a seed, on any thread
   * @param threads how many are run at a time, 1 or more
   */
  Courses(LongFunction<Outcome> course, int threads) {
    this.course = course;
    this.threads = threads;
  }

  /**
   * Runs the courses of all seeds from {@code first} to {@code last}, both included, or those of
   * them that have begun when {@link #end} is called. What a course throws is thrown here.
   */
  void run(long first, long last, Consumer<Outcome> listener) {
    Queue<Future<Optional<Outcome>>> begun = new ArrayDeque<>();
    try (ExecutorService workers =
        Executors.newFixedThreadPool(threads, Thread.ofPlatform().name(THREAD, 0).factory())) {
      try {
        long next = first;
        do {
          while (!ended && next <= last && begun.size() < AHEAD * threads) {
            long seed = next++;
            begun.add(workers.submit(() -> ended ? Optional.empty() : run(seed)));
          }
          if (!begun.isEmpty()) {
            result(begun.remove()).ifPresent(listener);
          }
        } while (!begun.isEmpty());
      } finally {
        ended = true; // if something was thrown: the rest is not wanted
      }
    }
  }

  /** Begins no more courses; those that run are still heard of. Any thread. */
  void end() {
    ended = true;
  }

  private Optional<Outcome> run(long seed) {
    return Optional.of(course.apply(seed));
  }

  private Optional<Outcome> result(Future<Optional<Outcome>> future) {
    try {
      return future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      ended = true;
      return Optional.empty();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw new IllegalStateException("a course broke off", e.getCause());
    }
  }
}
