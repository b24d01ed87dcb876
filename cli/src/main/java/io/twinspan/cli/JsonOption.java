package io.twinspan.cli;

import java.io.PrintWriter;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The option that asks for JSON instead of text for people. */
final class JsonOption {
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  JsonOption() {}

  boolean isOn() {
    return json;
  }

  /** Prints a value as indented JSON. */
  static void print(PrintWriter out, JsonNode value) {
    out.println(JSON.writeValueAsString(value));
    out.flush();
  }
}
