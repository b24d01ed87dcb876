package io.twinspan.array;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Has the model checker TLC look at the specifications in {@code docs/spec}: they hold, and without
 * any one of their rules they do not.
 */
class SpecificationTest {
  private static final Path SPECIFICATIONS =
      Path.of("docs", "spec").toAbsolutePath().toFile().isDirectory()
          ? Path.of("docs", "spec").toAbsolutePath()
          : Path.of("..", "docs", "spec").toAbsolutePath();
  private static final long DEADLINE_MINUTES = 30;

  @TempDir Path folder;

  /** Bounds of a search, as they stand in the configuration. */
  private record Bounds(
      int writes, int crashes, int cuts, int epoch, boolean handovers, boolean leaves) {
    String in(String configuration) {
      return configuration
          .replaceFirst("MaxWrites = \\d+", "MaxWrites = " + writes)
          .replaceFirst("MaxCrashes = \\d+", "MaxCrashes = " + crashes)
          .replaceFirst("MaxCuts = \\d+", "MaxCuts = " + cuts)
          .replaceFirst("MaxEpoch = \\d+", "MaxEpoch = " + epoch)
          .replaceFirst("Handovers = \\w+", "Handovers = " + (handovers ? "TRUE" : "FALSE"))
          .replaceFirst("Leaves = \\w+", "Leaves = " + (leaves ? "TRUE" : "FALSE"));
    }
  }

  private static String configuration(String specification) throws IOException {
    return Files.readString(SPECIFICATIONS.resolve(specification + ".cfg"));
  }

  private static String without(String rule, String configuration) {
    String changed = configuration.replace(rule + " = TRUE", rule + " = FALSE");
    assertThat(changed).as("configuration without " + rule).isNotEqualTo(configuration);
    return changed;
  }

  /**
   * What TLC says about a specification; it runs as a process of its own, since it ends its own.
   */
  private String check(String specification, String configuration)
      throws IOException, InterruptedException {
    Path config = Files.writeString(folder.resolve(specification + ".cfg"), configuration);
    Path output = folder.resolve("output");
    Process tlc =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:+UseParallelGC",
                    "-Xmx2g",
                    "-cp",
                    System.getProperty("java.class.path"),
                    "tlc2.TLC",
                    "-workers",
                    "2",
                    "-deadlock",
                    "-metadir",
                    folder.toString(),
                    "-config",
                    config.toString(),
                    specification))
            .directory(SPECIFICATIONS.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(tlc.waitFor(DEADLINE_MINUTES, TimeUnit.MINUTES)).as("TLC has ended").isTrue();
    } finally {
      tlc.destroyForcibly();
    }
    return Files.readString(output, StandardCharsets.UTF_8);
  }

  private static void assertHolds(String said) {
    assertThat(said).contains("No error has been found");
  }

  private static void assertViolated(String said) {
    assertThat(said).containsPattern("Invariant \\w+ is violated");
  }

  @Test
  void failoverHolds() throws IOException, InterruptedException {
    assertHolds(check("Failover", configuration("Failover")));
  }

  @ParameterizedTest
  @CsvSource({
    "EndLinkBeforeTaking, Spec, 1, 1, 0, 7",
    "AckNeedsMirror, SpecInStep, 1, 1, 0, 6",
    "RevokeFirst, SpecInStep, 1, 0, 1, 6",
    "PersistBeforeAlone, SpecInStep, 2, 1, 1, 6",
    "SettleBeforeAlone, SpecInStep, 1, 1, 1, 6",
    "ReplayBeforeServe, SpecInStep, 1, 1, 0, 6",
    "SettledAfterReplay, SpecInStep, 1, 1, 1, 6",
    "JoinNeedsBoth, Spec, 2, 1, 0, 6",
    "KeepLog, SpecInStep, 1, 1, 1, 6",
    "AwaitLog, SpecInStep, 1, 1, 0, 6",
    "CheckBeforeRead, SpecInStep, 2, 0, 1, 6",
    "FlushMovesTail, SpecInStep, 2, 2, 0, 6",
    "KeepMirror, SpecInStep, 1, 1, 0, 6",
  })
  void failoverNeedsEachRule(
      String rule, String start, int writes, int crashes, int cuts, int epoch)
      throws IOException, InterruptedException {
    Bounds bounds = new Bounds(writes, crashes, cuts, epoch, false, rule.equals("KeepMirror"));
    String wrong = without(rule, bounds.in(configuration("Failover")));
    assertViolated(check("Failover", wrong.replace("N Spec\n", "N " + start + "\n")));
  }

  @ParameterizedTest
  @Tag("long")
  @CsvSource({"2, 1, 1, 7, false", "2, 1, 0, 7, true", "1, 2, 1, 8, false", "2, 0, 2, 7, true"})
  void failoverHoldsWithLargerBounds(
      int writes, int crashes, int cuts, int epoch, boolean handovers)
      throws IOException, InterruptedException {
    Bounds bounds = new Bounds(writes, crashes, cuts, epoch, handovers, false);
    assertHolds(check("Failover", bounds.in(configuration("Failover"))));
  }

  @ParameterizedTest
  @CsvSource({"true, false", "false, true"})
  void failoverHoldsWithHandoversAndWithStandbysThatEnd(boolean handovers, boolean leaves)
      throws IOException, InterruptedException {
    Bounds bounds = new Bounds(1, 1, 0, 6, handovers, leaves);
    String configuration = bounds.in(configuration("Failover"));
    assertHolds(check("Failover", configuration.replace("N Spec\n", "N SpecInStep\n")));
  }

  @Test
  void fencingHolds() throws IOException, InterruptedException {
    assertHolds(check("Fencing", configuration("Fencing")));
  }

  @ParameterizedTest
  @CsvSource({"SameOrder", "Majority", "RemovesKey"})
  void fencingNeedsEachRule(String rule) throws IOException, InterruptedException {
    assertViolated(check("Fencing", without(rule, configuration("Fencing"))));
  }
}
