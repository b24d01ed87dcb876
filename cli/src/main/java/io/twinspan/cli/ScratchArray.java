package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * An array of a command's own, in a temporary directory: when it is closed, or the process is told
 * to end, its processes are killed and the directory is removed.
 */
final class ScratchArray implements AutoCloseable {
  private static final Duration CREATE_DEADLINE = Duration.ofSeconds(10);
  private static final Duration OWNER_DEADLINE = Duration.ofSeconds(10);

  private final PrintWriter err;
  private final ArrayProcesses processes;
  private final Thread owner = Thread.currentThread();
  private final CountDownLatch released = new CountDownLatch(1);
  private final Thread onSignal = new Thread(this::endAndRemove, "scratch-cleanup");
  private volatile boolean kept;

  /**
   * Makes the directory; nothing runs yet. This thread is the owner, which is interrupted when the
   * process is told to end, and then closes this.
   *
   * @param command is in the directory's name
   * @param err told what can't be removed
   */
  ScratchArray(String command, PrintWriter err) {
    this.err = err;
    try {
      Path directory = Files.createTempDirectory("twinspan-" + command + "-");
      processes = new ArrayProcesses(ArrayDirectory.at(directory));
    } catch (IOException e) {
      throw new TwinspanException("can't make a temporary directory: " + e.getMessage(), e);
    }
    Runtime.getRuntime().addShutdownHook(onSignal);
  }

  ArrayProcesses processes() {
    return processes;
  }

  /** Does not remove the directory, but ends the processes all the same. */
  void keep() {
    kept = true;
  }

  void createVolume(String name, String pool, long bytes) {
    ObjectNode request = ArrayProcesses.request("volume-create");
    request.put("name", name).put("sizeBytes", bytes).put("pool", pool);
    processes.askAnyController(request, CREATE_DEADLINE);
  }

  JsonNode status(String controller) {
    return processes.ask(ArrayProcesses.controller(controller), ArrayProcesses.request("status"));
  }

  /** Where a controller serves NBD over TCP. */
  SocketAddress nbd(String controller) {
    for (JsonNode address : status(controller).path("nbd")) {
      if (address.asString().startsWith("nbd://")) {
        URI uri = URI.create(address.asString());
        return new InetSocketAddress(uri.getHost(), uri.getPort());
      }
    }
    throw new TwinspanException("controller " + controller + " serves no NBD over TCP");
  }

  /** Whether a pool is with a controller, and mirrored at the other one. */
  boolean owns(String controller, String pool) {
    for (JsonNode each : status(controller).path("pools")) {
      if (each.path("name").asString("").equals(pool)) {
        return each.path("role").asString("").equals("OWNER_MIRRORED");
      }
    }
    return false;
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(onSignal);
    } catch (IllegalStateException e) {
      released.countDown(); // the process ends: the hook does it
      return;
    }
    removeAll();
  }

  /** The owner might start again what is killed here. */
  private void endAndRemove() {
    owner.interrupt();
    try {
      if (!released.await(OWNER_DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        err.println("twinspan: the command does not end; its array is removed all the same");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    removeAll();
  }

  private void removeAll() {
    for (String process : ArrayProcesses.all()) {
      if (processes.isRunning(process)) {
        processes.kill(process);
      }
    }
    if (kept) {
      return;
    }
    Path root = processes.directory().root();
    try (var files = Files.walk(root)) {
      List<Path> all = new ArrayList<>(files.sorted(Comparator.reverseOrder()).toList());
      for (Path file : all) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      err.println("twinspan: could not remove " + root + ": " + e.getMessage());
    }
  }
}
