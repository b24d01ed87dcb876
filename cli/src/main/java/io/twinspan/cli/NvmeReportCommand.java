package io.twinspan.cli;

import io.twinspan.controller.NvmeReports;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueueOwner;
import java.io.PrintWriter;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** What a drive says of itself: a drive of an array, or one that this process drives. */
abstract class NvmeReportCommand extends ShowCommand {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  @Parameters(
      index = "0",
      arity = "0..1",
      paramLabel = "DRIVE",
      description = "A drive of the array, such as drive0: its controllers are asked.")
  private @Nullable String drive;

  @Option(
      names = "--target",
      paramLabel = "DRIVE",
      description = "Instead of it this one: " + NvmeTarget.SYNTAX + ".")
  private @Nullable String target;

  NvmeReportCommand() {}

  /** The name of the report. */
  abstract String report();

  /** The namespace that it is about, where that matters. */
  int nsid() {
    return 1;
  }

  @Override
  final JsonNode answer() {
    if ((drive == null) == (target == null)) {
      throw wrongUsage("name a drive of the array, or one by --target");
    }
    if (target != null) {
      try (QueueOwner opened = NvmeTarget.open(target, NvmeOptions.DEFAULTS)) {
        return NvmeReports.of(opened, report(), nsid());
      }
    }
    return array()
        .existing()
        .askAnyController(
            ArrayProcesses.request("nvme-report")
                .put("drive", drive)
                .put("report", report())
                .put("nsid", nsid()),
            TIMEOUT);
  }

  @Override
  final void print(PrintWriter out, JsonNode answer) {
    if (answer.isArray()) {
      answer.forEach(entry -> printFields(out, entry));
    } else {
      printFields(out, answer);
    }
  }

  private static void printFields(PrintWriter out, JsonNode fields) {
    fields.forEachEntry((name, value) -> out.printf("%-20s : %s%n", name, value.asString()));
  }

  @Command(
      name = "id-ctrl",
      description = "Identify Controller: what the controller is and can do.",
      mixinStandardHelpOptions = true)
  static final class IdCtrl extends NvmeReportCommand {
    IdCtrl() {}

    @Override
    String report() {
      return "id-ctrl";
    }
  }

  @Command(
      name = "id-ns",
      description = "Identify Namespace: size, format and names of a namespace.",
      mixinStandardHelpOptions = true)
  static final class IdNs extends NvmeReportCommand {
    @Option(
        names = {"-n", "--namespace-id"},
        paramLabel = "NSID",
        defaultValue = "1",
        description = "The namespace. Default: ${DEFAULT-VALUE}.")
    private int nsid;

    IdNs() {}

    @Override
    String report() {
      return "id-ns";
    }

    @Override
    int nsid() {
      return nsid;
    }
  }

  @Command(
      name = "smart-log",
      description = "The drive's health, and what it has done.",
      mixinStandardHelpOptions = true)
  static final class SmartLog extends NvmeReportCommand {
    SmartLog() {}

    @Override
    String report() {
      return "smart-log";
    }
  }

  @Command(
      name = "error-log",
      description = "The commands that failed, newest first.",
      mixinStandardHelpOptions = true)
  static final class ErrorLog extends NvmeReportCommand {
    ErrorLog() {}

    @Override
    String report() {
      return "error-log";
    }
  }
}
