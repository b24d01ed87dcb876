package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The kernel driver, built by {@code system-tests/vm/module} for a kernel of {@link Guest}. */
record KernelModule(Path file) {
  private static final Path SOURCE = Path.of("../kernel/twinspan-nvme").toAbsolutePath();

  /**
   * Builds it; warnings of the compiler are errors. Without headers, and not in CI, the test is
   * skipped.
   *
   * @param series kernel
   * @param out folder that gets the module
   */
  static KernelModule build(String series, Path out) {
    Guest.prepare(series);
    Path cache = Guest.cache(series);
    Program built =
        Program.run(
            out,
            Path.of("vm/module").toAbsolutePath().toString(),
            series,
            cache.toString(),
            SOURCE.normalize().toString(),
            out.toString());
    if (built.err().contains("could not download") && !System.getenv().containsKey("CI")) {
      abort("no kernel headers: " + built.err().strip());
    }
    built.ok();
    return new KernelModule(out.resolve("twinspan_nvme.ko"));
  }

  /** The kernel it was built for, as {@code uname -r} has it. */
  String version() {
    try {
      String text = new String(Files.readAllBytes(file), UTF_8);
      int start = text.indexOf("vermagic=") + "vermagic=".length();
      return text.substring(start, text.indexOf(' ', start));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
