package io.twinspan.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code twinspan down}. */
@Command(
    name = "down",
    description = "Stop the array in good order: everything is on the drives afterwards.",
    mixinStandardHelpOptions = true)
final class DownCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private ArrayOptions array = new ArrayOptions();

  DownCommand() {}

  @Override
  public Integer call() {
    ArrayProcesses processes = array.existing();
    var err = spec.commandLine().getErr();
    boolean orderly = stopAll(processes, err::println);
    spec.commandLine().getOut().println("array in " + processes.directory().root() + " is down");
    return orderly ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }

  /** Stops controllers, then the shelf. Returns false if one had to be killed. */
  static boolean stopAll(ArrayProcesses processes, java.util.function.Consumer<String> warn) {
    boolean orderly = true;
    for (String process : List.of("controller-a", "controller-b", ArrayProcesses.SHELF)) {
      if (!processes.stop(process)) {
        warn.accept("twinspan: " + process + " did not stop in time and was killed");
        orderly = false;
      }
    }
    processes.directory().removeStaleSockets();
    return orderly;
  }
}
