package io.twinspan.shelf;

/** Where a fuzzer that makes up bytes begins, such as Jazzer. */
public final class FuzzTarget {
  private static final int MAX_STEPS = 1000;

  private FuzzTarget() {}

  /** Lets a drive's clients do what the bytes say. */
  public static void fuzzerTestOneInput(byte[] data) {
    Choices choices = Choices.of(data);
    try (DriveFuzz fuzz = new DriveFuzz()) {
      for (int i = 0; i < MAX_STEPS && !choices.isEmpty(); i++) {
        fuzz.step(choices);
      }
    }
  }
}
