package io.twinspan.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.simulator.Fault;
import io.twinspan.simulator.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code twinspan simulate} and what it prints. */
class SimulateCommandTest {
  private static final Outcome GOOD =
      new Outcome(4, "", List.of("nothing"), Map.of(Fault.CRASH, 2), 1_500_000_000, 10, 4, 1, 7);
  private static final Outcome BAD =
      new Outcome(
          5, "a write is lost", List.of("1 us: CRASH a", "2 us: CUT b"), Map.of(), 5, 6, 3, 0, 9);

  private static String simulate(String... options) {
    String[] line = new String[options.length + 1];
    line[0] = "simulate";
    System.arraycopy(options, 0, line, 1, options.length);
    PrintStream realOut = System.out;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    System.setOut(new PrintStream(out, true, UTF_8));
    try {
      assertThat(Twinspan.run(line)).isZero();
    } finally {
      System.setOut(realOut);
    }
    return out.toString(UTF_8);
  }

  @Test
  void threadsChangeNothingButTheTime() {
    String one = simulate("--seeds", "0..11", "--threads", "1");
    String three = simulate("--seeds", "0..11", "--threads", "3");

    assertThat(one).startsWith("courses       12, 0 of them went wrong").contains("\ntime ");
    assertThat(three.substring(0, three.indexOf(", ", three.indexOf("\ntime "))))
        .isEqualTo(one.substring(0, one.indexOf(", ", one.indexOf("\ntime "))));
  }

  @Test
  void aSingleSeedIsARange() {
    JsonNode report = new JsonMapper().readTree(simulate("--seeds", "3", "--json"));

    assertThat(report.path("courses").asInt()).isEqualTo(1);
    assertThat(report.path("virtualPerRealSecond").asDouble()).isPositive();
    assertThat(report.path("violations").isEmpty()).isTrue();
  }

  @Test
  void aCourseThatGoesWrongIsPrintedWithItsTraceAndHowToReplayIt() {
    StringWriter out = new StringWriter();
    CourseReport report = new CourseReport(new PrintWriter(out), false, " --redundancy parity");
    report.add(GOOD);
    assertThat(report.isGood()).isTrue();
    assertThat(out.toString()).isEmpty();

    report.add(BAD);

    assertThat(report.isGood()).isFalse();
    assertThat(out.toString())
        .isEqualTo(
            """
            1 us: CRASH a
            2 us: CUT b
            seed 5: a write is lost; replay: twinspan simulate --seeds 5 --redundancy parity
            """);
  }

  @Test
  void theSumIsOfAllCourses() {
    StringWriter out = new StringWriter();
    CourseReport report = new CourseReport(new PrintWriter(out), true, "");
    report.add(GOOD);
    report.add(BAD);

    report.print(500_000_000);

    JsonNode json = new JsonMapper().readTree(out.toString());
    assertThat(json.path("courses").asInt()).isEqualTo(2);
    assertThat(json.path("acknowledged").asInt()).isEqualTo(16);
    assertThat(json.path("reads").asInt()).isEqualTo(7);
    assertThat(json.path("faults").path("CRASH").asInt()).isEqualTo(2);
    assertThat(json.path("virtualPerRealSecond").asDouble()).isBetween(3.0, 3.1);
    JsonNode violation = json.path("violations").path(0);
    assertThat(violation.path("seed").asInt()).isEqualTo(5);
    assertThat(violation.path("what").asString()).isEqualTo("a write is lost");
    assertThat(violation.path("trace").size()).isEqualTo(2);
  }
}
