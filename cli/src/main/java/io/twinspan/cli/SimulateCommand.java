package io.twinspan.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.twinspan.pool.Redundancy;
import io.twinspan.simulator.Fault;
import io.twinspan.simulator.Outcome;
import io.twinspan.simulator.Simulation;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan simulate}. */
@Command(
    name = "simulate",
    description = {
      "Play courses of faults against the array's own logic: both controllers, link, drives and"
          + " hosts in one thread, on virtual time.",
      "Every read is checked. A course that goes wrong is printed, and its seed replays it exactly."
    },
    mixinStandardHelpOptions = true)
final class SimulateCommand implements Callable<Integer> {
  private static final Pattern SEEDS = Pattern.compile("(\\d{1,18})(?:\\.\\.(\\d{1,18}))?");

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--seeds",
      paramLabel = "A..B",
      defaultValue = "0..199",
      description = "Seeds of the courses, both ends included. Default: ${DEFAULT-VALUE}.")
  private String seeds = "";

  @Option(
      names = "--faults",
      paramLabel = "FAULT",
      split = ",",
      description = "What may happen: ${COMPLETION-CANDIDATES}. Default: all.")
  private Set<Fault> faults = EnumSet.allOf(Fault.class);

  @Option(
      names = "--redundancy",
      paramLabel = "FORM",
      defaultValue = "mirror",
      description = "How pools keep data: mirror or parity. Default: ${DEFAULT-VALUE}.")
  private Redundancy redundancy = Redundancy.MIRROR;

  private final List<Outcome> bad = new ArrayList<>();
  private final Map<Fault, Long> counts = new EnumMap<>(Fault.class);
  private long courses;
  private long acknowledged;
  private long reads;
  private long virtualNs;
  private long longestWaitNs;

  SimulateCommand() {}

  @Override
  public Integer call() {
    Matcher range = SEEDS.matcher(seeds);
    if (!range.matches()) {
      throw new ParameterException(
          spec.commandLine(), "--seeds: a number, or two as in 0..99, not " + seeds);
    }
    long first = Long.parseLong(range.group(1));
    long last = range.group(2) == null ? first : Long.parseLong(range.group(2));
    // Controllers die by the thousand here, and each would say so.
    ((Logger) LoggerFactory.getLogger("io.twinspan")).setLevel(Level.OFF);
    long start = System.nanoTime();
    for (long seed = first; seed <= last; seed++) {
      add(Simulation.run(seed, faults, redundancy));
    }
    print(System.nanoTime() - start);
    return bad.isEmpty() ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }

  private void add(Outcome outcome) {
    courses++;
    acknowledged += outcome.acknowledged();
    reads += outcome.reads();
    virtualNs += outcome.virtualNs();
    longestWaitNs = Math.max(longestWaitNs, outcome.longestWaitNs());
    outcome.faults().forEach((fault, times) -> counts.merge(fault, (long) times, Long::sum));
    if (!outcome.isGood()) {
      bad.add(outcome);
      if (!json.isOn()) {
        PrintWriter out = spec.commandLine().getOut();
        outcome.trace().forEach(out::println);
        out.printf(
            "seed %d: %s; replay: twinspan simulate --seeds %d%s%n",
            outcome.seed(), outcome.violation(), outcome.seed(), replayOptions());
        out.flush();
      }
    }
  }

  /** What has to be said so that the same faults are drawn. */
  private String replayOptions() {
    String form = redundancy == Redundancy.MIRROR ? "" : " --redundancy parity";
    return faults.size() == Fault.values().length
        ? form
        : form + " --faults " + faults.stream().map(Fault::name).collect(Collectors.joining(","));
  }

  private void print(long realNs) {
    PrintWriter out = spec.commandLine().getOut();
    double virtualSeconds = virtualNs / 1e9;
    double realSeconds = realNs / 1e9;
    if (json.isOn()) {
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
