package io.twinspan.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** {@code twinspan drive}. */
@Command(
    name = "drive",
    description = "Take a drive out of the pools, and in again.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {DriveCommand.Fail.class, DriveCommand.Replace.class})
final class DriveCommand {
  private static final Duration DEADLINE = Duration.ofSeconds(60);
  private static final List<String> POOLS = List.of("A", "B");

  private DriveCommand() {}

  private static void show(PrintWriter out, JsonNode pools) {
    pools.forEach(pool -> PoolCommand.print(out, pool));
  }

  @Command(
      name = "fail",
      description = {
        "Take a drive out of both pools, as if it had failed.",
        "Refused when data would be left without a copy."
      },
      mixinStandardHelpOptions = true)
  static final class Fail extends ShowCommand {
    @Parameters(index = "0", paramLabel = "DRIVE", description = "Such as drive1.")
    private String name = "";

    Fail() {}

    @Override
    JsonNode answer() {
      ArrayProcesses processes = array().existing();
      processes.askAnyController(ArrayProcesses.request("drive-fail").put("drive", name), DEADLINE);
      return PoolCommand.pools(processes, null);
    }

    @Override
    void print(PrintWriter out, JsonNode pools) {
      show(out, pools);
    }
  }

  @Command(
      name = "replace",
      description = {
        "Take a drive that is out into both pools again: the same one or a new one in its place.",
        "Whatever is on it is overwritten. What it lacks is copied to it in the background, data"
            + " in use only."
      },
      mixinStandardHelpOptions = true)
  static final class Replace extends ShowCommand {
    @Parameters(index = "0", paramLabel = "DRIVE", description = "Such as drive1.")
    private String name = "";

    @Option(names = "--wait", description = "Wait until its data is there.")
    private boolean wait;

    Replace() {}

    @Override
    JsonNode answer() {
      ArrayProcesses processes = array().existing();
      processes.askAnyController(
          ArrayProcesses.request("drive-replace").put("drive", name), DEADLINE);
      if (wait) {
        POOLS.forEach(pool -> BackgroundWait.until(processes, pool, "rebuild"));
      }
      return PoolCommand.pools(processes, null);
    }

    @Override
    void print(PrintWriter out, JsonNode pools) {
      show(out, pools);
    }
  }
}
