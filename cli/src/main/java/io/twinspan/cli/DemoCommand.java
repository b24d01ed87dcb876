package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan demo}. */
@Command(
    name = "demo",
    description = {
      "Show the array at work, in a directory of its own that is removed afterwards.",
      "Write real data through both controllers, kill one in mid-write with SIGKILL, go on at the"
          + " other, verify every byte, bring the first back, kill the second, verify again."
    },
    mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--input",
      paramLabel = "FILE|DIR",
      description = "What to copy. Default: the files of the Java runtime that runs this.")
  private @Nullable Path input;

  DemoCommand() {}

  @Override
  public Integer call() {
    DemoInput data =
        DemoInput.of(input == null ? Path.of(System.getProperty("java.home")) : input)
            .enoughToKill();
    PrintWriter err = spec.commandLine().getErr();
    ObjectNode report;
    try (Demo demo = new Demo(data, err)) {
      report = demo.run();
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json.isOn()) {
      JsonOption.print(out, report);
    } else {
      print(out, report);
    }
    boolean good =
        report.path("mismatches").asLong(-1) == 0
            && report.path("bytesVerified").asLong(0) == report.path("bytesWritten").asLong(-1);
    if (!good) {
      throw new TwinspanException("not every acknowledged byte was verified");
    }
    return CommandLine.ExitCode.OK;
  }

  private static void print(PrintWriter out, JsonNode report) {
    out.printf(
        "written     %s in %d files, acknowledged%n",
        Sizes.rough(report.path("bytesWritten").asLong()), report.path("files").asLong());
    out.printf(
        "verified    %s, %d mismatches%n",
        Sizes.rough(report.path("bytesVerified").asLong()), report.path("mismatches").asLong());
    out.printf("forwarded   %d requests%n", report.path("forwardedRequests").asLong());
    for (JsonNode kill : report.path("kills")) {
      out.printf(
          "kill -9     controller %s: longest stall %.1f ms; back, in step and owner again after %d"
              + " ms%n",
          kill.path("controller").asString(),
          kill.path("longestStallMs").asDouble(),
          kill.path("givebackMs").asLong());
    }
    for (JsonNode c : report.path("channels")) {
      out.printf(
          "channel     %s %-10s  %9d RDMA operations  %10s  %d errors%n",
          c.path("controller").asString(),
          c.path("name").asString(),
          c.path("operations").asLong(),
          Sizes.rough(c.path("bytes").asLong()),
          c.path("errors").asLong());
    }
    for (JsonNode q : report.path("privateQueues")) {
      out.printf(
          "queue       controller %s, %s: %d NVMe commands%n",
          q.path("controller").asString(), q.path("drive").asString(), q.path("commands").asLong());
    }
    out.printf("took        %.1f s%n", report.path("seconds").asDouble());
    out.flush();
  }
}
