package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

/** {@code twinspan nvme}. */
@Command(
    name = "nvme",
    description = "Look at the drives of the shelf.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = NvmeCommand.ListDrives.class)
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
}
