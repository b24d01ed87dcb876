package io.twinspan.target.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A program that others wrote. */
record Tool(String name) {
  private static final long DEADLINE_SECONDS = 60;

  /**
   * The distribution's own programs first: nbdsh needs the Python that its module was installed
   * for.
   */
  private static final String PATH =
      "/usr/bin:/usr/sbin:/sbin:" + System.getenv().getOrDefault("PATH", "");

  /**
   * The program; without it the test is skipped, but fails where CI=true promises that everything
   * is there.
   */
  static Tool require(String name, String debianPackage) {
    boolean found =
        Stream.of(PATH.split(File.pathSeparator))
            .anyMatch(p -> Files.isExecutable(Path.of(p, name)));
    if (!found) {
      String reason = name + " is missing: apt-get install " + debianPackage;
      if ("true".equals(System.getenv("CI"))) {
        fail(reason);
      }
      abort(reason);
    }
    return new Tool(name);
  }

  /** Runs it to its end, which must be a success, and returns what it printed. */
  String run(String... arguments) throws IOException, InterruptedException {
    List<String> command = Stream.concat(Stream.of(name), Stream.of(arguments)).toList();
    Path output = Files.createTempFile("tool", ".out");
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("PATH", PATH);
    Process process = builder.redirectOutput(output.toFile()).start();
    try {
      boolean ended = process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
      String printed = Files.readString(output);
      assertThat(ended).as("%s has ended; it printed: %s", command, printed).isTrue();
      assertThat(process.exitValue()).as("%s: %s", command, printed).isZero();
      return printed;
    } finally {
      process.destroyForcibly();
      Files.delete(output);
    }
  }
}
