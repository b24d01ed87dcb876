package io.twinspan.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code twinspan} command. */
@Command(name = "twinspan", mixinStandardHelpOptions = true, version = "twinspan 0.1.0-SNAPSHOT")
public final class Twinspan implements Runnable {
  private Twinspan() {}

  @Override
  public void run() {
    CommandLine.usage(this, System.out);
  }

  /** Prints the version. */
  @Command(name = "version", description = "Prints the version.")
  void version() {
    System.out.println("twinspan 0.1.0-SNAPSHOT");
  }

  /**
   * Runs one command and exits with its status.
   *
   * @param args the command line
   */
  public static void main(String[] args) {
    System.exit(new CommandLine(new Twinspan()).execute(args));
  }
}
