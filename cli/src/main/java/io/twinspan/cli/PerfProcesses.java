package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.perf.PerfOptions;
import io.twinspan.perf.PerfProcess;
import io.twinspan.perf.PerfResult;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * The processes of one measurement: each side in a Java of its own with its best compiler, whatever
 * this one runs with. They end with this process, however it ends.
 */
final class PerfProcesses {
  private static final Duration END_DEADLINE = Duration.ofSeconds(5);

  private final PerfOptions options;
  private final List<Integer> cpus;

  /**
   * Processes that are not started.
   *
   * @param options what to measure
   * @param cpus the processors of the listening and the connecting side, -1 for any
   */
  PerfProcesses(PerfOptions options, List<Integer> cpus) {
    this.options = options;
    this.cpus = cpus;
  }

  /** Runs both sides. */
  PerfResult both() {
    Path folder = temporaryFolder();
    Path socket = folder.resolve("link");
    Thread cleaner = Thread.ofPlatform().unstarted(() -> delete(socket, folder));
    Runtime.getRuntime().addShutdownHook(cleaner); // Ctrl-C ends this process here
    try (PerfChild listener = start(false, socket, false);
        PerfChild leader = start(true, socket, false)) {
      // A listener that fails before the leader can tell is not waited for.
      join(CompletableFuture.anyOf(listener.failure(), leader.result()));
      PerfResult result = resultOf(leader);
      listener.awaitEnd(END_DEADLINE);
      return result;
    } finally {
      delete(socket, folder);
      Runtime.getRuntime().removeShutdownHook(cleaner);
    }
  }

  /** Runs the listening side until a connecting one has measured with it. */
  void listen(Path socket) {
    try (PerfChild listener = start(false, socket.toAbsolutePath(), true)) {
      join(listener.result());
    }
  }

  /** Runs the connecting side. */
  PerfResult connect(Path socket) {
    try (PerfChild leader = start(true, socket.toAbsolutePath(), true)) {
      return resultOf(leader);
    }
  }

  private PerfChild start(boolean leads, Path socket, boolean showsLog) {
    List<String> command = new ArrayList<>();
    command.add(
        System.getProperty(
            "twinspan.java", ProcessHandle.current().info().command().orElse("java")));
    command.addAll(
        List.of(
            "-XX:+UseSerialGC",
            "-Xmx128m",
            "-XX:MaxDirectMemorySize=64g", // buffers; as large as the options allow them to be
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("twinspan.classpath", System.getProperty("java.class.path")),
            PerfProcess.class.getName()));
    command.addAll(PerfProcess.arguments(leads, socket, cpus.get(leads ? 1 : 0), options));
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectInput(new File("/dev/null"));
      return new PerfChild(leads ? "connecting" : "listening", builder.start(), showsLog);
    } catch (IOException e) {
      throw new TwinspanException("can't start a side: " + e.getMessage(), e);
    }
  }

  private static PerfResult resultOf(PerfChild leader) {
    return join(leader.result())
        .orElseThrow(() -> new TwinspanException("the connecting side printed no result"));
  }

  private static <T> T join(CompletableFuture<T> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof TwinspanException known
          ? known
          : new TwinspanException(String.valueOf(e.getCause()), e);
    }
  }

  private static Path temporaryFolder() {
    try {
      return Files.createTempDirectory("twinspan-perf"); // 0700
    } catch (IOException e) {
      throw new TwinspanException("can't make a temporary folder: " + e, e);
    }
  }

  private static void delete(Path... paths) {
    for (Path path : paths) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        return; // a side that is still ending may have it; an empty folder of /tmp is no harm
      }
    }
  }
}
