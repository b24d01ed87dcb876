package io.twinspan.cli;

import java.io.Console;

/** Where a command's output goes. */
final class Terminal {
  private Terminal() {}

  /** Whether somebody sits there, who likes to see progress. */
  @SuppressWarnings("SystemConsoleNull") // since JDK 25 it may be null again
  static boolean isThere() {
    Console console = System.console();
    return console != null && console.isTerminal();
  }
}
