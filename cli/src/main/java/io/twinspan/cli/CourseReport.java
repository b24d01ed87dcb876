package io.twinspan.cli;

import io.twinspan.simulator.Fault;
import io.twinspan.simulator.Outcome;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What came of many courses, for people or as JSON. One thread. */
final class CourseReport {
  private final PrintWriter out;
  private final boolean json;
  private final String replayOptions;
  private final List<Outcome> bad = new ArrayList<>();
  private final Map<Fault, Long> counts = new EnumMap<>(Fault.class);
  private long courses;
  private long acknowledged;
  private long reads;
  private long virtualNs;
  private long longestWaitNs;

  /**
   * A report without courses.
   *
   * @param json whether it is an object, at the end, or text: then a course that goes wrong is
   *     printed when it is added
   * @param replayOptions what is to be said beside the seed so that the same faults are drawn;
   *     empty, or begins with a space
   */
  CourseReport(PrintWriter out, boolean json, String replayOptions) {
    this.out = out;
    this.json = json;
    this.replayOptions = replayOptions;
  }

  /** Whether every course went well. */
  boolean isGood() {
    return bad.isEmpty();
  }

  void add(Outcome outcome) {
    courses++;
    acknowledged += outcome.acknowledged();
    reads += outcome.reads();
    virtualNs += outcome.virtualNs();
    longestWaitNs = Math.max(longestWaitNs, outcome.longestWaitNs());
    outcome.faults().forEach((fault, times) -> counts.merge(fault, (long) times, Long::sum));
    if (!outcome.isGood()) {
      bad.add(outcome);
      if (!json) {
        outcome.trace().forEach(out::println);
        out.printf(
            "seed %d: %s; replay: twinspan simulate --seeds %d%s%n",
            outcome.seed(), outcome.violation(), outcome.seed(), replayOptions);
        out.flush();
      }
    }
  }

  /** Prints the sums, with the time that the courses took. */
  void print(long realNs) {
    double virtualSeconds = virtualNs / 1e9;
    double realSeconds = realNs / 1e9;
    if (json) {
      JsonOption.print(out, report(virtualSeconds, realSeconds));
      return;
    }
    out.printf("courses       %d, %d of them went wrong%n", courses, bad.size());
    out.printf("faults        %s%n", counts);
    out.printf("acknowledged  %d requests, %d reads checked%n", acknowledged, reads);
    out.printf(
        "longest wait  %d ms of virtual time%n", TimeUnit.NANOSECONDS.toMillis(longestWaitNs));
    out.printf(
        "time          %.1f s virtual, %.1f s real: %.0f s a second%n",
        virtualSeconds, realSeconds, virtualSeconds / realSeconds);
    out.flush();
  }

  private ObjectNode report(double virtualSeconds, double realSeconds) {
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("courses", courses);
    report.put("acknowledged", acknowledged);
    report.put("reads", reads);
    report.put("longestWaitMs", longestWaitNs / 1e6);
    report.put("virtualSeconds", virtualSeconds);
    report.put("realSeconds", realSeconds);
    report.put("virtualPerRealSecond", virtualSeconds / realSeconds);
    ObjectNode happened = report.putObject("faults");
    counts.forEach((fault, times) -> happened.put(fault.name(), times));
    ArrayNode violations = report.putArray("violations");
    for (Outcome outcome : bad) {
      ObjectNode violation = violations.addObject();
      violation.put("seed", outcome.seed()).put("what", outcome.violation());
      ArrayNode trace = violation.putArray("trace");
      outcome.trace().forEach(trace::add);
    }
    return report;
  }
}
