package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;

/**
 * The {@code twinspan} command. Exit status: 0 done, 1 failed (one line on standard error says
 * why), 2 wrong usage.
 */
@Command(
    name = "twinspan",
    description =
        "A dual-controller storage array: two controllers, one link, one shelf of drives.",
    mixinStandardHelpOptions = true,
    versionProvider = VersionCommand.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      UpCommand.class,
      DownCommand.class,
      StatusCommand.class,
      VolumeCommand.class,
      CloneCommands.Snapshot.class,
      CloneCommands.Clone.class,
      ControllerCommand.class,
      PoolCommand.class,
      DriveCommand.class,
      NvmeCommand.class,
      FsckCommand.class,
      DemoCommand.class,
      ChaosCommand.class,
      LinkCommand.class,
      PerfCommand.class,
      ShelfCommand.class,
      SimulateCommand.class,
      VersionCommand.class
    })
public final class Twinspan {
  private Twinspan() {}

  /** Runs one command and ends the process with its status. */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) {
    System.exit(run(args));
  }

  /** Runs one command. */
  static int run(String... args) {
    CommandLine line = new CommandLine(new Twinspan());
    line.setExecutionExceptionHandler(Twinspan::failed);
    line.setParameterExceptionHandler(Twinspan::refused);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    return line.execute(args);
  }

  private static int failed(Exception e, CommandLine line, CommandLine.ParseResult result)
      throws Exception {
    if (e instanceof TwinspanException || e instanceof UncheckedIOException) {
      Throwable reason = e instanceof UncheckedIOException ? e.getCause() : null;
      line.getErr().println("twinspan: " + e.getMessage() + (reason == null ? "" : ": " + reason));
      return CommandLine.ExitCode.SOFTWARE;
    }
    throw e; // a fault of ours: picocli prints its trace and returns 1
  }

  private static int refused(ParameterException e, String[] args) {
    PrintWriter err = e.getCommandLine().getErr();
    err.println(
        "twinspan: "
            + e.getMessage()
            + " (try "
            + e.getCommandLine().getCommandSpec().qualifiedName()
            + " --help)");
    return e.getCommandLine().getCommandSpec().exitCodeOnInvalidInput();
  }
}
