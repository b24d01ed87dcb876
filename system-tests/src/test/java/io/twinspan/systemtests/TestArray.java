package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.controller.ControlServer;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import io.twinspan.linux.TwinspanException;
import io.twinspan.target.nbd.NbdClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * An array of real processes in a directory of its own, worked through the {@code twinspan}
 * command. As a registered extension it is up before a class's first test and gone after its last;
 * its logs' ends are shown when a test fails. {@link #close} fails when a process, socket or lock
 * is left.
 */
final class TestArray
    implements AutoCloseable, BeforeAllCallback, AfterAllCallback, TestExecutionExceptionHandler {
  /** Small drives and short delays. */
  static final List<String> QUICK =
      List.of(
          "shelf.drives = 3",
          "shelf.drive-size = 512MiB",
          "controller.giveback-delay = 200ms",
          "controller.startup-wait = 2s");

  static final List<String> PROCESSES = List.of("shelf", "controller-a", "controller-b");
  static final List<String> CONTROLLERS = List.of("a", "b");

  /** {@code -Dtwinspan.keep=true} leaves the directories, with logs and drives, to look into. */
  private static final boolean KEEP = Boolean.getBoolean("twinspan.keep");

  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration ASK = Duration.ofSeconds(5);
  private static final Duration NBD = Duration.ofSeconds(20);
  private static final int SHOWN_LINES = 40;
  private static final String CLASS_PATH = System.getProperty("java.class.path");

  private final Path directory;
  private final Thread onAbort = new Thread(this::killAll, "array-cleanup");

  private TestArray(Path directory) {
    this.directory = directory;
    Runtime.getRuntime().addShutdownHook(onAbort); // a run that is broken off leaves nothing either
  }

  private void killAll() {
    List<Integer> processes = Os.processesWith(directory.toString());
    processes.forEach(pid -> Processes.kill(pid, Signal.KILL));
    await("the killed to be gone", () -> processes.stream().noneMatch(Os::isAlive));
    if (!KEEP) {
      removeAll(directory);
    }
  }

  /** An array that is not up yet, with settings that differ from {@link #QUICK}. */
  static TestArray with(String... settings) {
    try {
      TestArray array = new TestArray(Files.createTempDirectory(Path.of("/tmp"), "tw-"));
      Map<String, String> lines = new TreeMap<>();
      Stream.concat(QUICK.stream(), Stream.of(settings))
          .forEach(line -> lines.put(line.substring(0, line.indexOf('=')), line));
      Files.write(array.directory.resolve("twinspan.conf"), lines.values());
      return array;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    try {
      up();
    } catch (Throwable e) {
      showLogs();
      throw e;
    }
  }

  @Override
  public void afterAll(ExtensionContext context) {
    close();
  }

  @Override
  public void handleTestExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    showLogs();
    throw failure;
  }

  /** The command that runs {@code twinspan} with arguments. */
  static List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xmx256m"));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-Dtwinspan.classpath=" + CLASS_PATH);
    command.addAll(List.of("-cp", CLASS_PATH, "io.twinspan.cli.Twinspan"));
    command.addAll(arguments);
    return command;
  }

  /** Runs a command that has nothing to do with this array. */
  static Program twinspan(String... arguments) {
    return Program.run(Path.of("/tmp"), command(List.of(arguments)));
  }

  /** Runs a command on this array. */
  Program cli(String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--dir", directory.toString()));
    return Program.run(directory, command(all));
  }

  Path directory() {
    return directory;
  }

  TestArray up() {
    cli("up").ok();
    return this;
  }

  /** Starts what a test before has left down. */
  void ensureUp() {
    if (!PROCESSES.stream().allMatch(p -> Os.isAlive(pid(p)))) {
      up();
    }
  }

  void down() {
    cli("down").ok();
  }

  JsonNode status() {
    return cli("status", "--json").json();
  }

  JsonNode createVolume(String name, String pool, String size) {
    return cli("volume", "create", name, size, "--pool", pool, "--json").json();
  }

  /** Asks a controller directly: quicker than a process for each question. */
  JsonNode controllerStatus(String controller) {
    return ControlServer.ask(
        directory.resolve("run/controller-" + controller + ".sock"),
        JsonNodeFactory.instance.objectNode().put("command", "status"),
        ASK);
  }

  /** Where a controller serves NBD over TCP. */
  SocketAddress nbd(String controller) {
    for (JsonNode address : controllerStatus(controller).path("nbd")) {
      if (address.asString().startsWith("nbd://")) {
        URI uri = URI.create(address.asString());
        return new InetSocketAddress(uri.getHost(), uri.getPort());
      }
    }
    throw new AssertionError("controller " + controller + " serves no NBD over TCP");
  }

  Path nbdSocket(String controller) {
    return directory.resolve("run/nbd-" + controller + ".sock");
  }

  SocketAddress nbdUnix(String controller) {
    return UnixDomainSocketAddress.of(nbdSocket(controller));
  }

  /** An NBD URI of a volume as libnbd, fio and QEMU read it. */
  String uri(String controller, String volume) {
    return "nbd+unix:///" + volume + "?socket=" + nbdSocket(controller);
  }

  NbdClient open(String controller, String volume) {
    return NbdClient.connect(nbdUnix(controller), volume, NBD);
  }

  int pid(String process) {
    try {
      return Integer.parseInt(Files.readString(directory.resolve("run/" + process + ".lock")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Kills a process with SIGKILL, and waits until it is gone. */
  void kill(String process) {
    int pid = pid(process);
    Processes.kill(pid, Signal.KILL);
    await(process + " to die", () -> !Os.isAlive(pid));
  }

  void signal(String process, Signal signal) {
    assertThat(Processes.kill(pid(process), signal)).as("%s is there", process).isTrue();
  }

  /** Waits until both pools are at home and mirrored, so that either controller may die. */
  void awaitInStep() {
    await("both pools to be at home and mirrored", () -> isHome("a", "A") && isHome("b", "B"));
  }

  private boolean isHome(String controller, String pool) {
    try {
      JsonNode status = controllerStatus(controller);
      if (!status.path("state").asString("").equals("SERVING")) {
        return false;
      }
      for (JsonNode each : status.path("pools")) {
        if (each.path("name").asString("").equals(pool)) {
          return each.path("role").asString("").equals("OWNER_MIRRORED");
        }
      }
      return false;
    } catch (TwinspanException e) {
      return false; // it is starting
    }
  }

  static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited " + PATIENCE.toSeconds() + " s in vain for " + what);
      }
      pause(10);
    }
  }

  static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /** A process's log from a byte on. */
  String log(String process, long from) {
    try {
      String all = Files.readString(directory.resolve("log/" + process + ".log"));
      return all.substring((int) Math.min(from, all.length()));
    } catch (IOException e) {
      return "";
    }
  }

  void showLogs() {
    for (String process : PROCESSES) {
      for (String suffix : List.of(".log", ".out")) {
        Path file = directory.resolve("log/" + process + suffix);
        try {
          List<String> lines = Files.readAllLines(file);
          System.out.println("---- end of " + file);
          lines.stream().skip(Math.max(0, lines.size() - SHOWN_LINES)).forEach(System.out::println);
        } catch (IOException e) {
          System.out.println("---- no " + file);
        }
      }
    }
  }

  /** Stops the array, removes it, and fails when it left something. */
  @Override
  public void close() {
    List<String> left = new ArrayList<>();
    try {
      if (!Os.processesWith(directory.toString()).isEmpty()) {
        Program down = cli("down");
        if (down.status() != 0) {
          left.add("down ended with " + down.status() + ": " + down.err());
        }
      }
      left.addAll(leftovers());
      if (!left.isEmpty()) {
        showLogs();
      }
    } finally {
      killAll();
      Runtime.getRuntime().removeShutdownHook(onAbort);
    }
    assertThat(left).as("what the array left behind").isEmpty();
  }

  /** Processes that still run, sockets that still lie there. */
  List<String> leftovers() {
    List<String> left = new ArrayList<>();
    for (int pid : Os.processesWith(directory.toString())) {
      left.add("process " + pid);
    }
    Path run = directory.resolve("run");
    if (Files.isDirectory(run)) {
      try (Stream<Path> files = Files.list(run)) {
        files.filter(f -> f.toString().endsWith(".sock")).forEach(f -> left.add("socket " + f));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return left;
  }

  static void removeAll(Path root) {
    if (!Files.exists(root)) {
      return;
    }
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
