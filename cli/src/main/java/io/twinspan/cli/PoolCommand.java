package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;

/** {@code twinspan pool}. */
@Command(
    name = "pool",
    description = "Show pools and their drives, and scrub them.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {PoolCommand.Show.class, PoolCommand.Scrub.class})
final class PoolCommand {
  private static final Duration DEADLINE = Duration.ofSeconds(30);
  private static final List<String> POOLS = List.of("A", "B");

  private PoolCommand() {}

  /**
   * The pools of an array as their owners see them.
   *
   * @param name one pool; null for all
   */
  static ArrayNode pools(ArrayProcesses processes, @Nullable String name) {
    ArrayNode chosen = JsonNodeFactory.instance.arrayNode();
    for (JsonNode pool : ArrayStatus.of(processes).path("pools")) {
      if (name == null || pool.path("name").asString("").equals(name)) {
        chosen.add(pool);
      }
    }
    if (chosen.isEmpty()) {
      throw new TwinspanException(
          (name == null ? "no pool" : "pool " + name) + " has an owner now: see twinspan status");
    }
    return chosen;
  }

  /** Prints a pool. */
  static void print(PrintWriter out, JsonNode pool) {
    out.printf(
        "pool        %s  owner %s  %s  %s of %s used  %d wrong checksums found%n",
        pool.path("name").asString("-"),
        pool.path("owner").asString("-"),
        pool.path("role").asString("-"),
        Sizes.rough(pool.path("usedBytes").asLong(0)),
        Sizes.rough(pool.path("capacityBytes").asLong(0)),
        pool.path("checksumErrors").asLong(0));
    printWritten(out, pool);
    for (JsonNode drive : pool.path("drives")) {
      out.printf(
          "              %s  %s%n",
          drive.path("name").asString("-"), drive.path("state").asString("-"));
    }
    printProgress(out, "scrub", pool.path("scrub"));
    printProgress(out, "rebuild", pool.path("rebuild"));
  }

  /** What was written, and how much more than was asked for. */
  private static void printWritten(PrintWriter out, JsonNode pool) {
    long written = pool.path("writtenBytes").asLong(0);
    long moved = pool.path("movedBytes").asLong(0);
    long onDrives = pool.path("driveWrittenBytes").asLong(0);
    out.printf("              redundancy %s", pool.path("redundancy").asString("-"));
    if (written > 0) {
      out.printf(
          "  since it was opened %s written, %s moved (cleaner x%.2f), %s on drives (x%.2f)",
          Sizes.rough(written),
          Sizes.rough(moved),
          (double) (written + moved) / written,
          Sizes.rough(onDrives),
          (double) onDrives / written);
    }
    out.println();
  }

  private static void printProgress(PrintWriter out, String what, JsonNode progress) {
    if (progress.path("state").asString("NONE").equals("NONE")) {
      return;
    }
    out.printf(
        "              %s %s  %s of %s  %d copies repaired  %d blocks lost%n",
        what,
        progress.path("state").asString("-"),
        Sizes.rough(progress.path("doneBytes").asLong(0)),
        Sizes.rough(progress.path("totalBytes").asLong(0)),
        progress.path("repairedCopies").asLong(0),
        progress.path("lostBlocks").asLong(0));
  }

  @Command(
      name = "show",
      description = "Show pools: space, drives, scrub and rebuild.",
      mixinStandardHelpOptions = true)
  static final class Show extends ShowCommand {
    @Parameters(
        index = "0",
        arity = "0..1",
        paramLabel = "POOL",
        description = "A or B. Default: both.")
    private @Nullable String name;

    Show() {}

    @Override
    JsonNode answer() {
      if (name != null && !POOLS.contains(name)) {
        throw wrongUsage("there is no pool \"" + name + "\", only A and B");
      }
      return pools(array().existing(), name);
    }

    @Override
    void print(PrintWriter out, JsonNode pools) {
      pools.forEach(pool -> PoolCommand.print(out, pool));
    }
  }

  @Command(
      name = "scrub",
      description = {
        "Compare every copy of all data with its checksum, in the background, and repair what is"
            + " wrong.",
        "A scrub that was stopped, or whose controller died, goes on where it was."
      },
      mixinStandardHelpOptions = true)
  static final class Scrub extends ShowCommand {
    @Parameters(index = "0", paramLabel = "POOL", description = "A or B")
    private String name = "";

    @Option(names = "--stop", description = "Stop it where it is.")
    private boolean stop;

    @Option(names = "--wait", description = "Wait until it is done.")
    private boolean wait;

    Scrub() {}

    @Override
    JsonNode answer() {
      if (!POOLS.contains(name)) {
        throw wrongUsage("there is no pool \"" + name + "\", only A and B");
      }
      if (stop && wait) {
        throw wrongUsage("--stop and --wait don't go together");
      }
      ArrayProcesses processes = array().existing();
      processes.askAnyController(
          ArrayProcesses.request("pool-scrub").put("pool", name).put("stop", stop), DEADLINE);
      if (wait) {
        BackgroundWait.until(processes, name, "scrub");
      }
      return pools(processes, name).get(0);
    }

    @Override
    void print(PrintWriter out, JsonNode pool) {
      PoolCommand.print(out, pool);
    }
  }
}
