package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.nvme.NvmeController;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
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
      NvmePerfCommand.class
    })
final class NvmeCommand {
  private NvmeCommand() {}

  @Command(
      name = "list",
      description = "List drives and namespaces as the controllers' drivers identified them.",
      mixinStandardHelpOptions = true)
  static final class ListDrives implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();
    @Mixin private ArrayOptions array = new ArrayOptions();
    @Mixin private JsonOption json = new JsonOption();

    ListDrives() {}

    @Override
    public Integer call() {
      JsonNode drives =
          array
              .existing()
              .askAnyController(
                  ArrayProcesses.request("nvme-list"), java.time.Duration.ofSeconds(10));
      PrintWriter out = spec.commandLine().getOut();
      if (json.isOn()) {
        JsonOption.print(out, drives);
        return CommandLine.ExitCode.OK;
      }
      out.printf(
          "%-8s %-20s %-24s %-9s %-10s %-6s %s%n",
          "Node", "SN", "Model", "Namespace", "Size", "Format", "FW Rev");
      for (JsonNode drive : drives) {
        for (JsonNode namespace : drive.path("namespaces")) {
          out.printf(
              "%-8s %-20s %-24s %-9d %-10s %-6s %s%n",
              drive.path("name").asString(),
              drive.path("serial").asString(),
              drive.path("model").asString(),
              namespace.path("nsid").asLong(),
              Sizes.rough(namespace.path("sizeBytes").asLong()),
              Sizes.format(namespace.path("blockBytes").asLong()),
              drive.path("firmware").asString());
        }
      }
      return CommandLine.ExitCode.OK;
    }
  }

  @Command(
      name = "queues",
      description = "Show the private queues that the drives of a shelf have, and what they did.",
      mixinStandardHelpOptions = true)
  static final class Queues implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();
    @Mixin private ArrayOptions array = new ArrayOptions();
    @Mixin private JsonOption json = new JsonOption();

    Queues() {}

    @Override
    public Integer call() {
      ArrayNode queues = JsonNodeFactory.instance.arrayNode();
      JsonNode status = ShelfCommand.ask(array.directory(), ArrayProcesses.request("status"));
      for (JsonNode drive : status.path("drives")) {
        for (JsonNode queue : drive.path("queues")) {
          queues.addObject().put("drive", drive.path("name").asString()).setAll((ObjectNode) queue);
        }
      }
      PrintWriter out = spec.commandLine().getOut();
      if (json.isOn()) {
        JsonOption.print(out, queues);
        return CommandLine.ExitCode.OK;
      }
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
      out.flush();
      return CommandLine.ExitCode.OK;
    }
  }

  @Command(
      name = "reset",
      description = "Reset a drive's controller and bring it up again.",
      mixinStandardHelpOptions = true)
  static final class Reset implements Callable<Integer> {
    @Option(
        names = "--target",
        paramLabel = "DRIVE",
        required = true,
        description =
            "A drive that nobody else drives: vfio-user:SOCKET. The controllers of an array keep"
                + " theirs.")
    private String target = "";

    Reset() {}

    @Override
    public Integer call() {
      try (NvmeController controller = NvmeTarget.open(target)) {
        controller.reset();
      }
      return CommandLine.ExitCode.OK;
    }
  }
}
