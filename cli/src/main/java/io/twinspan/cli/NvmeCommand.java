package io.twinspan.cli;

import io.twinspan.controller.NvmeReports;
import io.twinspan.controller.Sizes;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueueOwner;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan nvme}. */
@Command(
    name = "nvme",
    description = "Look at NVMe drives, and measure them.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      NvmeCommand.ListDrives.class,
      NvmeReportCommand.IdCtrl.class,
      NvmeReportCommand.IdNs.class,
      NvmeReportCommand.SmartLog.class,
      NvmeReportCommand.ErrorLog.class,
      NvmeCommand.Queues.class,
      NvmeCommand.Reset.class,
      NvmePerfCommand.class,
      NvmeBrokerCommand.class
    })
final class NvmeCommand {
  private NvmeCommand() {}

  @Command(
      name = "list",
      description =
          "List the drives and namespaces of a shelf: an array's, or one that runs alone.",
      mixinStandardHelpOptions = true)
  static final class ListDrives extends ShowCommand {
    @Option(
        names = "--target",
        paramLabel = "DRIVE",
        description = "Instead of a shelf's drives this one: " + NvmeTarget.SYNTAX + ".")
    private @Nullable String target;

    ListDrives() {}

    @Override
    JsonNode answer() {
      ArrayNode drives = JsonNodeFactory.instance.arrayNode();
      if (target != null) {
        try (QueueOwner drive = NvmeTarget.open(target, NvmeOptions.DEFAULTS)) {
          return drives.add(NvmeReports.summary(drive));
        }
      }
      for (JsonNode drive : ShelfCommand.status(array()).path("drives")) {
        if (!drive.path("removed").asBoolean(false)) {
          ObjectNode summary = drives.addObject();
          for (String field : List.of("name", "serial", "model", "firmware", "namespaces")) {
            summary.set(field, drive.path(field));
          }
        }
      }
      return drives;
    }

    @Override
    void print(PrintWriter out, JsonNode drives) {
      out.printf(
          "%-8s %-20s %-28s %-9s %-10s %-6s %s%n",
          "Node", "SN", "Model", "Namespace", "Size", "Format", "FW Rev");
      for (JsonNode drive : drives) {
        for (JsonNode namespace : drive.path("namespaces")) {
          out.printf(
              "%-8s %-20s %-28s %-9d %-10s %-6s %s%n",
              drive.path("name").asString(),
              drive.path("serial").asString(),
              drive.path("model").asString(),
              namespace.path("nsid").asLong(),
              Sizes.rough(namespace.path("sizeBytes").asLong()),
              Sizes.format(namespace.path("blockBytes").asLong()),
              drive.path("firmware").asString());
        }
      }
    }
  }

  @Command(
      name = "queues",
      description = "Show the private queues that the drives of a shelf have, and what they did.",
      mixinStandardHelpOptions = true)
  static final class Queues extends ShowCommand {
    Queues() {}

    @Override
    JsonNode answer() {
      ArrayNode queues = JsonNodeFactory.instance.arrayNode();
      for (JsonNode drive : ShelfCommand.status(array()).path("drives")) {
        for (JsonNode queue : drive.path("queues")) {
          queues.addObject().put("drive", drive.path("name").asString()).setAll((ObjectNode) queue);
        }
      }
      return queues;
    }

    @Override
    void print(PrintWriter out, JsonNode queues) {
      out.printf(
          "%-8s %-5s %-6s %-6s %12s %10s %8s%n",
          "Node", "Port", "Queue", "Depth", "Commands", "Data", "Errors");
      for (JsonNode queue : queues) {
        out.printf(
            "%-8s %-5s %-6d %-6d %12d %10s %8d%n",
            queue.path("drive").asString(),
            queue.path("port").asString(),
            queue.path("queue").asLong(),
            queue.path("depth").asLong(),
            queue.path("commands").asLong(),
            Sizes.rough(queue.path("bytes").asLong()),
            queue.path("errors").asLong());
      }
    }
  }

  @Command(
      name = "reset",
      description = {
        "Reset a drive's controller and bring it up again.",
        "Refused for a drive that others use too: through a broker or the kernel's driver, and one"
            + " that an array's controllers drive."
      },
      mixinStandardHelpOptions = true)
  static final class Reset implements Callable<Integer> {
    @Option(
        names = "--target",
        paramLabel = "DRIVE",
        required = true,
        description = "A drive that nobody else drives: vfio-user:SOCKET or vfio:PCI-ADDRESS.")
    private String target = "";

    Reset() {}

    @Override
    public Integer call() {
      try (NvmeController drive = NvmeTarget.openController(target, NvmeOptions.DEFAULTS)) {
        drive.reset();
      }
      return CommandLine.ExitCode.OK;
    }
  }
}
