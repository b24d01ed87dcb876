package io.twinspan.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.twinspan.pool.Redundancy;
import io.twinspan.simulator.Fault;
import io.twinspan.simulator.Simulation;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code twinspan simulate}. */
@Command(
    name = "simulate",
    description = {
      "Play courses of faults against the array's own logic: both controllers, link, drives and"
          + " hosts in one thread, on virtual time.",
      "Every read is checked. A course that goes wrong is printed, and its seed replays it exactly."
          + " Ctrl-C ends it with what was done."
    },
    mixinStandardHelpOptions = true)
final class SimulateCommand implements Callable<Integer> {
  private static final Pattern SEEDS = Pattern.compile("(\\d{1,18})(?:\\.\\.(\\d{1,18}))?");
  private static final int MAX_THREADS = 1024;

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

  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "How many courses are played at a time, 1 to 1024. Default: as many as there are"
              + " processors.")
  private @Nullable Integer threads;

  SimulateCommand() {}

  @Override
  public Integer call() {
    Matcher range = SEEDS.matcher(seeds);
    require(range.matches(), "--seeds: a number, or two as in 0..99, not " + seeds);
    int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    require(count >= 1 && count <= MAX_THREADS, "--threads: 1 to 1024, not " + count);
    long first = Long.parseLong(range.group(1));
    long last = range.group(2) == null ? first : Long.parseLong(range.group(2));
    // Controllers die by the thousand here, and each would say so.
    ((Logger) LoggerFactory.getLogger("io.twinspan")).setLevel(Level.OFF);
    var report = new CourseReport(spec.commandLine().getOut(), json.isOn(), replayOptions());
    run(new Courses(seed -> Simulation.run(seed, faults, redundancy), count), first, last, report);
    return report.isGood() ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }

  /** What has to be said so that the same faults are drawn. */
  private String replayOptions() {
    String form = redundancy == Redundancy.MIRROR ? "" : " --redundancy parity";
    return faults.size() == Fault.values().length
        ? form
        : form + " --faults " + faults.stream().map(Fault::name).collect(Collectors.joining(","));
  }

  private static void run(Courses courses, long first, long last, CourseReport report) {
    CountDownLatch printed = new CountDownLatch(1);
    Thread onSignal = new Thread(() -> endAndWait(courses, printed), "shutdown");
    Runtime.getRuntime().addShutdownHook(onSignal);
    try {
      long startNs = System.nanoTime();
      courses.run(first, last, report::add);
      report.print(System.nanoTime() - startNs);
    } finally {
      printed.countDown();
      forget(onSignal);
    }
  }

  /** Waits for what main prints, not for main: that may itself be in {@code System.exit}. */
  private static void endAndWait(Courses courses, CountDownLatch printed) {
    courses.end();
    try {
      printed.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void forget(Thread onSignal) {
    try {
      var _ = Runtime.getRuntime().removeShutdownHook(onSignal);
    } catch (IllegalStateException e) {
      // It is what ended the courses.
    }
  }
}
