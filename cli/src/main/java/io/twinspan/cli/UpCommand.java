package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.Settings;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

/** {@code twinspan up}. */
@Command(
    name = "up",
    description = "Make the array if there is none, and start what does not run.",
    mixinStandardHelpOptions = true)
final class UpCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private ArrayOptions array = new ArrayOptions();
  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--drives",
      paramLabel = "N",
      description = "Number of drives of a new array, 2 to 16. Default: 4.")
  private @Nullable String drives;

  @Option(
      names = "--drive-size",
      paramLabel = "SIZE",
      description = "Size of each drive of a new array, such as 8GiB. Default: 2GiB.")
  private @Nullable String driveSize;

  @Option(
      names = "--redundancy",
      paramLabel = "FORM",
      description = {
        "How the pools of a new array keep data: mirror (two copies: any one drive may be lost) or"
            + " parity (two parities: any two of at least 5 drives).",
        "Default: mirror."
      })
  private @Nullable String redundancy;

  UpCommand() {}

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    PrintWriter out = spec.commandLine().getOut();
    Map<Settings.Key, String> changes = new EnumMap<>(Settings.Key.class);
    if (drives != null) {
      changes.put(Settings.Key.SHELF_DRIVES, drives);
    }
    if (driveSize != null) {
      changes.put(Settings.Key.SHELF_DRIVE_SIZE, driveSize);
    }
    if (redundancy != null) {
      changes.put(Settings.Key.POOL_REDUNDANCY, redundancy);
    }
    refuseWrongUsage(changes);
    ArrayDirectory directory = array.directory();
    ArrayProcesses processes = new ArrayProcesses(directory);
    new ArrayStarter(
            processes,
            line -> {
              err.println(line);
              err.flush();
            })
        .up(changes);
    JsonNode status = ArrayStatus.of(processes);
    if (json.isOn()) {
      JsonOption.print(out, status);
    } else {
      out.println("array in " + directory.root() + " is up");
      for (JsonNode controller : status.path("controllers")) {
        for (JsonNode address : controller.path("nbd")) {
          out.println(
              "  controller " + controller.path("name").asString() + "  " + address.asString());
        }
      }
    }
    return CommandLine.ExitCode.OK;
  }

  /** A value that no array could have is a mistake on the command line: nothing is made then. */
  private void refuseWrongUsage(Map<Settings.Key, String> changes) {
    try {
      Settings settings = Settings.defaults();
      for (var change : changes.entrySet()) {
        settings = settings.with(change.getKey(), change.getValue());
      }
      settings.refuseTooFewDrives();
    } catch (TwinspanException e) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
  }
}
