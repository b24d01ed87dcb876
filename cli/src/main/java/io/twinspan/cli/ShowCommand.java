package io.twinspan.cli;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

/** A command that shows what it learns of an array or a shelf: for people, or as JSON. */
abstract class ShowCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private ArrayOptions array = new ArrayOptions();
  @Mixin private JsonOption json = new JsonOption();

  ShowCommand() {}

  /** Asks for it, or does it. */
  abstract JsonNode answer();

  /** Shows it to people. */
  abstract void print(PrintWriter out, JsonNode answer);

  /** The array that is meant. */
  final ArrayOptions array() {
    return array;
  }

  /** What to throw for options that don't fit together. */
  final CommandLine.ParameterException wrongUsage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }

  @Override
  public final Integer call() {
    JsonNode answer = answer();
    PrintWriter out = spec.commandLine().getOut();
    if (json.isOn()) {
      JsonOption.print(out, answer);
    } else {
      print(out, answer);
      out.flush();
    }
    return CommandLine.ExitCode.OK;
  }
}
