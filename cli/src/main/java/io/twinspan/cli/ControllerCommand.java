package io.twinspan.cli;

import io.twinspan.linux.Processes.Signal;
import io.twinspan.linux.TwinspanException;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code twinspan controller}. */
@Command(
    name = "controller",
    description = "Kill, stop, continue and start a controller; hand its pools over.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      ControllerCommand.Kill.class,
      ControllerCommand.Stop.class,
      ControllerCommand.Continue.class,
      ControllerCommand.Start.class,
      HandoverCommand.class
    })
final class ControllerCommand {
  private ControllerCommand() {}

  /** What the four commands share: which controller. */
  abstract static class OneController implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();
    @Mixin private ArrayOptions array = new ArrayOptions();

    @Parameters(index = "0", paramLabel = "NAME", description = "a or b")
    private String name = "";

    /** For subclasses. */
    OneController() {}

    @Override
    public Integer call() {
      if (!ArrayProcesses.CONTROLLERS.contains(name)) {
        throw new CommandLine.ParameterException(
            spec.commandLine(), "there is no controller \"" + name + "\", only a and b");
      }
      String done = act(array.existing(), ArrayProcesses.controller(name));
      spec.commandLine().getOut().println("controller " + name + " " + done);
      return CommandLine.ExitCode.OK;
    }

    /** Does it and says what was done. */
    abstract String act(ArrayProcesses processes, String process);
  }

  @Command(
      name = "kill",
      description = "End a controller with SIGKILL, as a crash would.",
      mixinStandardHelpOptions = true)
  static final class Kill extends OneController {
    Kill() {}

    @Override
    String act(ArrayProcesses processes, String process) {
      processes.kill(process);
      return "is killed";
    }
  }

  @Command(
      name = "stop",
      description = "Make a controller stand still with SIGSTOP, as a hang would.",
      mixinStandardHelpOptions = true)
  static final class Stop extends OneController {
    Stop() {}

    @Override
    String act(ArrayProcesses processes, String process) {
      processes.signal(process, Signal.STOP);
      return "is stopped";
    }
  }

  @Command(
      name = "cont",
      description = "Let a stopped controller go on with SIGCONT.",
      mixinStandardHelpOptions = true)
  static final class Continue extends OneController {
    Continue() {}

    @Override
    String act(ArrayProcesses processes, String process) {
      processes.signal(process, Signal.CONT);
      return "goes on";
    }
  }

  @Command(
      name = "start",
      description =
          "Start a controller that does not run; it gets its pools back when it is in step.",
      mixinStandardHelpOptions = true)
  static final class Start extends OneController {
    Start() {}

    @Override
    String act(ArrayProcesses processes, String process) {
      if (processes.isRunning(process)) {
        throw new TwinspanException(process + " is running already");
      }
      if (!processes.isRunning(ArrayProcesses.SHELF)) {
        throw new TwinspanException("the shelf is not running: start the array with twinspan up");
      }
      processes.awaitReady(process, processes.start(process));
      return "is started";
    }
  }
}
