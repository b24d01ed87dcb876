package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A program that ran to its end, within a deadline.
 *
 * @param line what was run
 * @param status its exit status
 * @param out its standard output
 * @param err its standard error
 */
record Program(String line, int status, String out, String err) {
  private static final Duration DEADLINE = Duration.ofMinutes(5);
  private static final JsonMapper JSON = new JsonMapper();

  /** Runs a program in a directory; one that does not end in time is killed, and the test fails. */
  static Program run(Path directory, List<String> command) {
    try {
      Path out = Files.createTempFile("tw-out", null);
      Path err = Files.createTempFile("tw-err", null);
      try {
        return run(directory, command, out, err);
      } finally {
        Files.delete(out);
        Files.delete(err);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Output goes through files: a daemon that keeps a pipe open does not hold us up. */
  private static Program run(Path directory, List<String> command, Path out, Path err)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
    builder.environment().merge("PATH", ":/usr/sbin:/sbin", String::concat);
    builder.environment().put("LC_ALL", "C.UTF-8");
    Process process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    process.getOutputStream().close();
    int from = Math.max(0, command.indexOf("io.twinspan.cli.Twinspan"));
    String line = String.join(" ", command.subList(from, command.size()));
    try {
      if (!process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        throw new AssertionError(
            "not done within "
                + DEADLINE.toSeconds()
                + " s: "
                + line
                + "\n"
                + read(out)
                + read(err));
      }
      return new Program(line, process.exitValue(), read(out), read(err));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted: " + line, e);
    } finally {
      process.destroyForcibly();
    }
  }

  /** Runs a program that is found in PATH. */
  static Program run(Path directory, String... command) {
    return run(directory, List.of(command));
  }

  private static String read(Path file) throws IOException {
    return new String(Files.readAllBytes(file), UTF_8);
  }

  /** Asserts that it ended well. */
  Program ok() {
    return ended(0);
  }

  /** Asserts its exit status. */
  Program ended(int expected) {
    assertThat(status).as("%s%n%s%s", line, out, err).isEqualTo(expected);
    return this;
  }

  /** Asserts that it ended with a status and said why in one line. */
  Program refused(int expected, String why) {
    ended(expected);
    assertThat(out).isEmpty();
    List<String> lines = new ArrayList<>(err.lines().toList());
    assertThat(lines).as(line).singleElement().asString().startsWith("twinspan: ").contains(why);
    return this;
  }

  /** What it printed, as JSON. */
  JsonNode json() {
    ok();
    return JSON.readTree(out);
  }
}
