package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * A virtual machine that runs one command, started by {@code system-tests/vm/run}, which says how
 * it sees this machine's files. Its folder is shared: both sides find each other's files there.
 */
final class Guest implements AutoCloseable {
  private static final Path SCRIPTS = Path.of("vm").toAbsolutePath();
  private static final Path CACHE = Path.of("../.build/vm").toAbsolutePath().normalize();

  private final Path folder;
  private final Process process;

  private Guest(Path folder, Process process) {
    this.folder = folder;
    this.process = process;
  }

  /**
   * Downloads a kernel unless it is there; a test that can't have it is skipped, in CI it fails.
   */
  static void prepare(String series) {
    Program prepared =
        Program.run(
            SCRIPTS, SCRIPTS.resolve("prepare").toString(), series, cache(series).toString());
    if (prepared.status() != 0 && !System.getenv().containsKey("CI")) {
      abort("no kernel for virtual machines: " + prepared.err().strip());
    }
    prepared.ok();
  }

  /** Where the kernel of a series and what belongs to it lies. */
  static Path cache(String series) {
    return CACHE.resolve(series);
  }

  /**
   * Boots a guest.
   *
   * @param folder is made; for nothing else
   * @param options for {@code vm/run}
   * @param script what the guest's bash runs
   */
  static Guest start(Path folder, List<String> options, String script) {
    try {
      Files.createDirectory(folder);
      List<String> line = new ArrayList<>();
      line.add(SCRIPTS.resolve("run").toString());
      line.addAll(options);
      line.addAll(List.of(folder.toString(), "bash", "-c", script));
      Path log = folder.resolveSibling(folder.getFileName() + ".log");
      ProcessBuilder builder = new ProcessBuilder(line).redirectErrorStream(true);
      Process process = builder.redirectOutput(log.toFile()).start();
      process.getOutputStream().close();
      return new Guest(folder, process);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What the command has printed until now. */
  String out() {
    return read("out");
  }

  /** Makes an empty file in the guest's folder, for the script to find. */
  void tell(String file) {
    try {
      Files.createFile(folder.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until the command has printed something. */
  void awaitOut(String text, Duration patience) {
    await(() -> out().contains(text), "prints " + text, patience);
  }

  /** Waits for the end of the command and asserts that it ended well. */
  void awaitEnd(Duration patience) {
    try {
      boolean ended = process.waitFor(patience.toMillis(), TimeUnit.MILLISECONDS);
      assertThat(ended).as("ended%n%s", story()).isTrue();
      assertThat(process.exitValue()).as("status%n%s", story()).isZero();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  private void await(BooleanSupplier condition, String what, Duration patience) {
    long deadlineNs = System.nanoTime() + patience.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(process.isAlive()).as("%s: runs%n%s", what, story()).isTrue();
      assertThat(System.nanoTime()).as("%s in time%n%s", what, story()).isLessThan(deadlineNs);
      try {
        Thread.sleep(50);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted", e);
      }
    }
  }

  private String story() {
    return folder + "\n" + read("../" + folder.getFileName() + ".log") + out() + read("console");
  }

  private String read(String file) {
    try {
      Path path = folder.resolve(file).normalize();
      return Files.exists(path) ? new String(Files.readAllBytes(path), UTF_8) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Switches the machine off. */
  @Override
  public void close() {
    process.destroy(); // the script takes QEMU with it
    try {
      var _ = process.waitFor(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
