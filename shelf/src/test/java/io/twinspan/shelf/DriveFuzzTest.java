package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class DriveFuzzTest {
  private static final int STEPS_OF_A_DRIVE = 20_000;

  @Test
  void anythingThatClientsDoIsSurvived() {
    assertThat(run(Long.getLong("twinspan.seed", System.nanoTime()), 100_000)).isPositive();
  }

  @Test
  @Tag("long")
  void tenMillionCommandsAreSurvived() {
    assertThat(run(Long.getLong("twinspan.seed", System.nanoTime()), 10_000_000)).isPositive();
  }

  @Test
  void bytesOfAFuzzerAreChoicesToo() {
    FuzzTarget.fuzzerTestOneInput(
        "anything that a fuzzer may say".getBytes(StandardCharsets.UTF_8));
    FuzzTarget.fuzzerTestOneInput(new byte[0]);
  }

  private static long run(long seed, long commands) {
    System.out.println("seed " + seed); // -Dtwinspan.seed repeats it
    Choices choices = Choices.of(seed);
    long done = 0;
    while (done < commands) {
      try (DriveFuzz fuzz = new DriveFuzz()) {
        for (int i = 0; i < STEPS_OF_A_DRIVE && done + fuzz.commands() < commands; i++) {
          fuzz.step(choices);
        }
        done += fuzz.commands();
      }
    }
    return done;
  }
}
