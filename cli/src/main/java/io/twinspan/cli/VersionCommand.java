package io.twinspan.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.JsonNodeFactory;

/** {@code twinspan version}. */
@Command(name = "version", description = "Print the version.", mixinStandardHelpOptions = true)
final class VersionCommand implements Callable<Integer>, IVersionProvider {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  VersionCommand() {}

  static String version() {
    String version = VersionCommand.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }

  @Override
  public String[] getVersion() {
    return new String[] {"twinspan " + version()};
  }

  @Override
  public Integer call() {
    var out = spec.commandLine().getOut();
    if (json.isOn()) {
      var object = JsonNodeFactory.instance.objectNode();
      object.put("version", version());
      object.put("java", Runtime.version().toString());
      JsonOption.print(out, object);
    } else {
      out.println("twinspan " + version() + " on Java " + Runtime.version());
    }
    return CommandLine.ExitCode.OK;
  }
}
