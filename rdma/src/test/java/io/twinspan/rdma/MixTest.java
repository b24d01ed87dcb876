package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two processes, all operations at random, kills, pauses, failures and corrupted shared memory; see
 * {@link MixSide} for the model. {@code -Dtwinspan.seed} repeats a run as far as the machine's
 * timing lets it be repeated, {@code -Dtwinspan.mix.seconds} says how long.
 */
class MixTest {
  private static final String SECONDS = "twinspan.mix.seconds";

  @TempDir Path directory;

  @Test
  @Tag("long")
  void everyByteAndEveryCompletionIsAsTheModelSays() throws Exception {
    run(Duration.ofSeconds(Integer.getInteger(SECONDS, 10)));
  }

  @Test
  @Tag("long")
  void everyByteAndEveryCompletionIsAsTheModelSaysForTenMinutes() throws Exception {
    run(Duration.ofSeconds(Integer.getInteger(SECONDS, 600)));
  }

  private void run(Duration duration) throws Exception {
    long seed = Long.getLong("twinspan.seed", System.nanoTime());
    System.out.println("mix: seed " + seed);
    try (MixDirector director = new MixDirector(directory.resolve("mix.sock"), seed)) {
      director.run(duration);
      assertThat(director.successes()).isPositive();
    }
  }
}
