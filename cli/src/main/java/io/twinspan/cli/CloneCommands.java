package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** {@code twinspan snapshot} and {@code twinspan clone}. */
final class CloneCommands {
  private static final Duration DEADLINE = Duration.ofSeconds(30);
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,63}");

  private CloneCommands() {}

  /** What the two share. */
  abstract static class Copy extends ShowCommand {
    @Parameters(index = "0", paramLabel = "VOLUME", description = "The volume, or a snapshot.")
    private String source = "";

    @Parameters(
        index = "1",
        paramLabel = "NAME",
        description = "Name of the new one: 1 to 63 of A-Z a-z 0-9 . _ -")
    private String name = "";

    private final boolean readOnly;

    /** For subclasses. */
    Copy(boolean readOnly) {
      this.readOnly = readOnly;
    }

    @Override
    final JsonNode answer() {
      if (!NAME.matcher(name).matches()) {
        throw wrongUsage("\"" + name + "\" is no name of a volume: 1 to 63 of A-Z a-z 0-9 . _ -");
      }
      return array()
          .existing()
          .askAnyController(
              ArrayProcesses.request("volume-clone")
                  .put("source", source)
                  .put("name", name)
                  .put("readOnly", readOnly),
              DEADLINE);
    }

    @Override
    final void print(PrintWriter out, JsonNode volume) {
      out.printf(
          "%s %s of %s  pool %s  %s%n",
          readOnly ? "snapshot" : "clone",
          volume.path("name").asString(),
          source,
          volume.path("pool").asString("-"),
          Sizes.rough(volume.path("sizeBytes").asLong(0)));
    }
  }

  @Command(
      name = "snapshot",
      description = {
        "Keep what a volume holds now under another name, at once and without copying; nobody can"
            + " write to it.",
        "It is a volume: both controllers export it, volume delete deletes it."
      },
      mixinStandardHelpOptions = true)
  static final class Snapshot extends Copy {
    Snapshot() {
      super(true);
    }
  }

  @Command(
      name = "clone",
      description = {
        "Make a volume that holds what another one, or a snapshot, holds now, at once and without"
            + " copying.",
        "What is written to either later goes to blocks of its own."
      },
      mixinStandardHelpOptions = true)
  static final class Clone extends Copy {
    Clone() {
      super(false);
    }
  }
}
