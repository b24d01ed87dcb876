package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;
import tools.jackson.databind.JsonNode;

/** {@code twinspan volume}. */
@Command(
    name = "volume",
    description = "Create, list, resize and delete volumes.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      VolumeCommand.Create.class,
      VolumeCommand.ListAll.class,
      VolumeCommand.Resize.class,
      VolumeCommand.Delete.class
    })
final class VolumeCommand {
  private static final Duration DEADLINE = Duration.ofSeconds(30);
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,63}");
  private static final List<String> POOLS = List.of("A", "B");

  private VolumeCommand() {}

  /** Prints a table of volumes. */
  static void table(PrintWriter out, JsonNode volumes) {
    for (JsonNode volume : volumes) {
      out.printf(
          "volume      %-20s  pool %s  owner %s  %10s  %10s used%s%n",
          volume.path("name").asString(),
          volume.path("pool").asString("-"),
          volume.path("owner").asString("-"),
          Sizes.rough(volume.path("sizeBytes").asLong(0)),
          Sizes.rough(volume.path("usedBytes").asLong(0)),
          kind(volume));
    }
  }

  private static String kind(JsonNode volume) {
    boolean copy = volume.path("originId").asInt(0) != 0;
    return volume.path("readOnly").asBoolean(false) ? "  snapshot" : copy ? "  clone" : "";
  }

  /** Reads sizes on the command line. */
  static final class SizeConverter implements ITypeConverter<Long> {
    SizeConverter() {}

    @Override
    public Long convert(String value) {
      try {
        long bytes = Sizes.parse(value);
        if (bytes == 0) {
          throw new TwinspanException("a volume has at least 1 byte");
        }
        return bytes;
      } catch (TwinspanException e) {
        throw new TypeConversionException(String.valueOf(e.getMessage()));
      }
    }
  }

  @Command(
      name = "create",
      description = "Create a thin volume; both controllers export it by its name.",
      mixinStandardHelpOptions = true)
  static final class Create extends ShowCommand {
    @Parameters(index = "0", paramLabel = "NAME", description = "1 to 63 of A-Z a-z 0-9 . _ -")
    private String name = "";

    @Parameters(
        index = "1",
        paramLabel = "SIZE",
        converter = SizeConverter.class,
        description = "Such as 512MiB or 2GiB; rounded up to 4096 bytes.")
    private long size;

    @Option(
        names = "--pool",
        paramLabel = "POOL",
        description =
            "A or B, at home in controller a or b. Default: the one with fewer bytes in volumes.")
    private @Nullable String pool;

    Create() {}

    @Override
    JsonNode answer() {
      refuseWrongUsage();
      var request =
          ArrayProcesses.request("volume-create").put("name", name).put("sizeBytes", size);
      if (pool != null) {
        request.put("pool", pool);
      }
      return array().existing().askAnyController(request, DEADLINE);
    }

    @Override
    void print(PrintWriter out, JsonNode volume) {
      show(out, volume);
    }

    private void refuseWrongUsage() {
      if (!NAME.matcher(name).matches()) {
        throw wrongUsage("\"" + name + "\" is no name of a volume: 1 to 63 of A-Z a-z 0-9 . _ -");
      }
      if (pool != null && !POOLS.contains(pool)) {
        throw wrongUsage("there is no pool \"" + pool + "\", only A and B");
      }
    }
  }

  @Command(name = "list", description = "List the volumes.", mixinStandardHelpOptions = true)
  static final class ListAll extends ShowCommand {
    ListAll() {}

    @Override
    JsonNode answer() {
      ArrayProcesses processes = array().existing();
      processes.askAnyController(
          ArrayProcesses.request("volume-list"), DEADLINE); // or says why not
      return ArrayStatus.of(processes).path("volumes");
    }

    @Override
    void print(PrintWriter out, JsonNode volumes) {
      table(out, volumes);
    }
  }

  @Command(
      name = "resize",
      description = "Change a volume's size. What a smaller size cuts off is gone.",
      mixinStandardHelpOptions = true)
  static final class Resize extends ShowCommand {
    @Parameters(index = "0", paramLabel = "NAME", description = "The volume.")
    private String name = "";

    @Parameters(
        index = "1",
        paramLabel = "SIZE",
        converter = SizeConverter.class,
        description = "The new size.")
    private long size;

    @Option(names = "--shrink", description = "Allow a size smaller than now.")
    private boolean shrink;

    Resize() {}

    @Override
    JsonNode answer() {
      var request =
          ArrayProcesses.request("volume-resize")
              .put("name", name)
              .put("sizeBytes", size)
              .put("shrink", shrink);
      return array().existing().askAnyController(request, DEADLINE);
    }

    @Override
    void print(PrintWriter out, JsonNode volume) {
      show(out, volume);
    }
  }

  @Command(
      name = "delete",
      description = "Delete a volume and its data. Hosts that use it are disconnected.",
      mixinStandardHelpOptions = true)
  static final class Delete implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();
    @Mixin private ArrayOptions array = new ArrayOptions();

    @Parameters(index = "0", paramLabel = "NAME", description = "The volume.")
    private String name = "";

    Delete() {}

    @Override
    public Integer call() {
      array
          .existing()
          .askAnyController(ArrayProcesses.request("volume-delete").put("name", name), DEADLINE);
      spec.commandLine().getOut().println("volume " + name + " is deleted");
      return CommandLine.ExitCode.OK;
    }
  }

  private static void show(PrintWriter out, JsonNode volume) {
    out.printf(
        "volume %s  pool %s  %s%n",
        volume.path("name").asString(),
        volume.path("pool").asString("-"),
        Sizes.rough(volume.path("sizeBytes").asLong(0)));
  }
}
