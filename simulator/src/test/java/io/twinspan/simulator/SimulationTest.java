package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.pool.Redundancy;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Many courses of faults. A seed that fails is printed with its trace, and replays exactly: {@code
 * twinspan simulate --seeds N..N}.
 */
class SimulationTest {
  private static final Set<Fault> ALL = EnumSet.allOf(Fault.class);

  @BeforeAll
  static void quiet() {
    QuietLogs.set();
  }

  private static void assertGood(long first, long last, Set<Fault> faults) {
    assertGood(first, last, faults, Redundancy.MIRROR);
  }

  private static void assertGood(long first, long last, Set<Fault> faults, Redundancy redundancy) {
    for (long seed = first; seed <= last; seed++) {
      Outcome outcome = Simulation.run(seed, faults, redundancy);
      assertThat(outcome.violation())
          .as("seed %d, %s, %s%n%s", seed, redundancy, faults, String.join("\n", outcome.trace()))
          .isEmpty();
    }
  }

  @Test
  void nothingAcknowledgedIsEverLostOrStale() {
    assertGood(0, 149, ALL);
  }

  @Test
  void nothingAcknowledgedIsEverLostOrStaleWithParities() {
    assertGood(0, 99, ALL, Redundancy.PARITY);
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void oneKindOfFaultAloneDoesNoHarm(Fault fault) {
    assertGood(1000, 1004, EnumSet.of(fault));
  }

  @Test
  @Tag("long")
  void nothingAcknowledgedIsEverLostOrStaleInManyCourses() {
    assertGood(10_000, 14_999, ALL);
    assertGood(10_000, 12_999, ALL, Redundancy.PARITY);
  }

  @Test
  void aSeedReplaysExactly() {
    assertThat(Simulation.run(3, ALL)).isEqualTo(Simulation.run(3, ALL));
  }
}
