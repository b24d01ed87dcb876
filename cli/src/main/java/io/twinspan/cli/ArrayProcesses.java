package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ControlServer;
import io.twinspan.controller.ProcessLock;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import io.twinspan.linux.TwinspanException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The processes of one array, as a tool sees them from outside: what runs is known by the locks,
 * never remembered. Not thread-safe, except {@link #ask} and {@link #signal}.
 */
final class ArrayProcesses {
  /** Name of the shelf's process. */
  static final String SHELF = "shelf";

  /** Names of the controllers. */
  static final List<String> CONTROLLERS = List.of("a", "b");

  private static final Duration START_DEADLINE = Duration.ofSeconds(60);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(20);
  private static final Duration ASK_DEADLINE = Duration.ofSeconds(5);
  private static final Duration PROBE_DEADLINE = Duration.ofSeconds(1);
  private static final long POLL_MS = 10;
  private static final int SHOWN_LOG_LINES = 8;

  private final ArrayDirectory directory;

  ArrayProcesses(ArrayDirectory directory) {
    this.directory = directory;
  }

  /** The process of a controller. */
  static String controller(String name) {
    return "controller-" + name;
  }

  /** All processes in the order in which they start. */
  static List<String> all() {
    return List.of(SHELF, controller("a"), controller("b"));
  }

  ArrayDirectory directory() {
    return directory;
  }

  OptionalInt pid(String process) {
    return ProcessLock.holder(directory.lockFile(process));
  }

  boolean isRunning(String process) {
    return pid(process).isPresent();
  }

  boolean anyRunning() {
    return all().stream().anyMatch(this::isRunning);
  }

  /** Starts a process without waiting for it. */
  Process start(String process) {
    List<String> command = new ArrayList<>();
    command.add(
        System.getProperty(
            "twinspan.java", ProcessHandle.current().info().command().orElse("java")));
    command.addAll(
        List.of(
            "-XX:+UseSerialGC",
            "-Xms32m",
            "-Xmx128m",
            "-Xss512k",
            "-XX:MaxDirectMemorySize=64m",
            "-XX:ReservedCodeCacheSize=48m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Dlogback.configurationFile=twinspan-process.xml",
            "-Dtwinspan.log=" + directory.logFile(process)));
    String archive = System.getProperty("twinspan.cds", "");
    if (!archive.isEmpty()) {
      command.addAll(List.of("-XX:AOTCache=" + archive, "-Xlog:aot=off", "-Xlog:cds=off"));
    }
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("twinspan.classpath", System.getProperty("java.class.path"))));
    if (process.equals(SHELF)) {
      command.addAll(List.of("io.twinspan.cli.ShelfProcess", directory.root().toString()));
    } else {
      String name = process.substring(process.length() - 1);
      command.addAll(
          List.of("io.twinspan.controller.ControllerProcess", directory.root().toString(), name));
    }
    try {
      return new ProcessBuilder(command)
          .directory(directory.log().toFile()) // not the user's: it could not be unmounted
          .redirectInput(new File("/dev/null"))
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.appendTo(outputFile(process).toFile()))
          .start();
    } catch (IOException e) {
      throw new TwinspanException("can't start " + process + ": " + e.getMessage(), e);
    }
  }

  private Path outputFile(String process) {
    return directory.log().resolve(process + ".out");
  }

  /** Waits until a process that was started says that it is ready. */
  void awaitReady(String process, Process started) {
    long deadline = System.nanoTime() + START_DEADLINE.toNanos();
    while (!answers(process)) {
      if (!started.isAlive()) {
        throw new TwinspanException(
            process
                + " ended with status "
                + started.exitValue()
                + " while starting"
                + lastWords(process, started));
      }
      if (System.nanoTime() > deadline) {
        throw new TwinspanException(
            process
                + " was not ready within "
                + START_DEADLINE.toSeconds()
                + " s"
                + lastWords(process, started));
      }
      pause(POLL_MS);
    }
  }

  private boolean answers(String process) {
    if (!Files.exists(directory.controlSocket(process))) {
      return false;
    }
    try {
      return ask(process, request("status")).path("ready").asBoolean(false);
    } catch (TwinspanException e) {
      return false; // not yet, or a stale socket
    }
  }

  private String lastWords(String process, Process started) {
    List<String> lines = new ArrayList<>();
    for (Path file : List.of(directory.logFile(process), outputFile(process))) {
      try {
        Instant written = Files.getLastModifiedTime(file).toInstant();
        if (written.isBefore(started.info().startInstant().orElse(Instant.MIN))) {
          continue; // an earlier run's
        }
        lines.addAll(Files.readAllLines(file));
      } catch (IOException e) {
        continue; // it had nothing to say
      }
      int from = Math.max(0, lines.size() - SHOWN_LOG_LINES);
      lines = new ArrayList<>(lines.subList(from, lines.size()));
    }
    return lines.isEmpty() ? "" : "; its last words:\n  " + String.join("\n  ", lines);
  }

  /** Asks a process; the answer is its result. */
  JsonNode ask(String process, ObjectNode request) {
    return ask(process, request, ASK_DEADLINE);
  }

  /** As {@link #ask(String, ObjectNode)}, for what may take longer. */
  JsonNode ask(String process, ObjectNode request, Duration timeout) {
    return ControlServer.ask(directory.controlSocket(process), request, timeout);
  }

  /** Asks whichever controller answers, a first; one that seems to hang is asked last. */
  JsonNode askAnyController(ObjectNode request, Duration timeout) {
    List<String> running =
        CONTROLLERS.stream()
            .map(ArrayProcesses::controller)
            .filter(this::isRunning)
            .sorted(Comparator.comparing(this::seemsToHang))
            .toList();
    if (running.isEmpty()) {
      throw new TwinspanException(
          "no controller of the array in "
              + directory.root()
              + " is running: start it with twinspan up");
    }
    TwinspanException last = null;
    for (String process : running) {
      try {
        return ControlServer.ask(directory.controlSocket(process), request, timeout);
      } catch (ControlServer.UnreachableException e) {
        last = e;
      }
    }
    throw last == null ? new TwinspanException("no controller answers") : last;
  }

  /** Costs the controller next to nothing: its core is not asked. */
  private boolean seemsToHang(String process) {
    try {
      ControlServer.ask(directory.controlSocket(process), request("volume-list"), PROBE_DEADLINE);
      return false;
    } catch (TwinspanException e) {
      return true;
    }
  }

  /** A question. */
  static ObjectNode request(String command) {
    return JsonNodeFactory.instance.objectNode().put("command", command);
  }

  /**
   * Sends a signal to a process.
   *
   * @throws TwinspanException when it is not running
   */
  void signal(String process, Signal signal) {
    int pid = pid(process).orElseThrow(() -> new TwinspanException(process + " is not running"));
    Processes.kill(pid, signal);
  }

  /**
   * Ends a process in good order; after a deadline with SIGKILL. Returns false if that was needed.
   */
  boolean stop(String process) {
    OptionalInt pid = pid(process);
    if (pid.isEmpty()) {
      return true;
    }
    Processes.kill(pid.getAsInt(), Signal.TERM);
    Processes.kill(pid.getAsInt(), Signal.CONT); // a stopped process ends, too
    if (await(STOP_DEADLINE, () -> !isRunning(process) && isGone(pid.getAsInt()))) {
      return true;
    }
    kill(process);
    return false;
  }

  /** Whether a process has ended; it lets go of its lock a little before. */
  private static boolean isGone(int pid) {
    try {
      return Files.readAllBytes(Path.of("/proc/" + pid + "/cmdline")).length == 0; // not reaped yet
    } catch (IOException e) {
      return true;
    }
  }

  /** Ends a process with SIGKILL and waits until it is gone. */
  void kill(String process) {
    OptionalInt pid = pid(process);
    signal(process, Signal.KILL);
    if (!await(
        STOP_DEADLINE, () -> !isRunning(process) && (pid.isEmpty() || isGone(pid.getAsInt())))) {
      throw new TwinspanException(process + " does not end");
    }
  }

  /** Waits for a condition; false when it did not come true within the deadline. */
  static boolean await(Duration deadline, BooleanSupplier condition) {
    long end = System.nanoTime() + deadline.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        return false;
      }
      pause(POLL_MS);
    }
    return true;
  }

  /** Waits a while; whoever is interrupted is told by an exception, and stays interrupted. */
  static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    }
  }
}
