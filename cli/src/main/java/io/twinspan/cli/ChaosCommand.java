package io.twinspan.cli;

import io.twinspan.pool.Redundancy;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan chaos}. */
@Command(
    name = "chaos",
    description = {
      "Attack an array of its own, in a directory that is removed afterwards, while hosts write and"
          + " read through both controllers.",
      "Every answer is judged: what was acknowledged is there, nothing old comes back. If something"
          + " is wrong the directory with its logs is kept, and the status is 1."
    },
    mixinStandardHelpOptions = true)
final class ChaosCommand implements Callable<Integer> {
  private static final int MAX_MINUTES = 7 * 24 * 60;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--minutes",
      paramLabel = "N",
      defaultValue = "1",
      description = "For how long, 1 to 10080. Default: ${DEFAULT-VALUE}.")
  private int minutes;

  @Option(
      names = "--count",
      paramLabel = "N",
      description = "How many faults at most. Default: as many as there is time for.")
  private int count = Integer.MAX_VALUE;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description =
          "Decides what is done; the moments are the machine's. Default: another each time.")
  private @Nullable Long seed;

  @Option(
      names = "--redundancy",
      paramLabel = "FORM",
      defaultValue = "mirror",
      description =
          "How the array keeps data: mirror (four drives) or parity (six). Default:"
              + " ${DEFAULT-VALUE}.")
  private Redundancy redundancy = Redundancy.MIRROR;

  @Option(
      names = "--faults",
      paramLabel = "FAULT",
      split = ",",
      description = "What may happen: ${COMPLETION-CANDIDATES}. Default: all.")
  private Set<ChaosFault> faults = EnumSet.allOf(ChaosFault.class);

  ChaosCommand() {}

  @Override
  public Integer call() {
    require(minutes >= 1 && minutes <= MAX_MINUTES, "--minutes: 1 to 10080, not " + minutes);
    require(count >= 1, "--count: at least 1, not " + count);
    ObjectNode report;
    long drawn = seed == null ? System.nanoTime() : seed;
    try (Chaos chaos = new Chaos(drawn, redundancy, faults, spec.commandLine().getErr())) {
      report = chaos.run(Duration.ofMinutes(minutes), count);
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json.isOn()) {
      JsonOption.print(out, report);
    } else {
      print(out, report);
    }
    return report.has("violation") ? CommandLine.ExitCode.SOFTWARE : CommandLine.ExitCode.OK;
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }

  private static void print(PrintWriter out, JsonNode report) {
    out.printf(
        "seed          %d, %d faults in %.1f s%n",
        report.path("seed").asLong(),
        report.path("faults").asInt(),
        report.path("seconds").asDouble());
    report
        .path("kinds")
        .forEachEntry((kind, each) ->
            out.printf(
                "%-13s %d times; longest wait of a host %d ms, in the middle %d ms%n",
                kind.toLowerCase(Locale.ROOT),
                each.path("count").asInt(),
                each.path("longestWaitMs").asLong(),
                each.path("medianWaitMs").asLong()));
    out.printf(
        "judged        %d reads of %d writes, %d flushes%n",
        report.path("reads").asLong(),
        report.path("writes").asLong(),
        report.path("flushes").asLong());
    if (report.has("violation")) {
      out.printf(
          "WRONG         %s%nkept          %s%n",
          report.path("violation").asString(), report.path("directory").asString());
    } else {
      out.println("all is well");
    }
    out.flush();
  }
}
