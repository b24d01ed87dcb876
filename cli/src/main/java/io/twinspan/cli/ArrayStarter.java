package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ArrayIdentity;
import io.twinspan.controller.Settings;
import io.twinspan.linux.TwinspanException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/** Makes an array's directory and starts what of its processes is missing. */
final class ArrayStarter {
  private static final Duration SERVING_DEADLINE = Duration.ofSeconds(60);

  private final ArrayProcesses processes;
  private final Consumer<String> progress;

  /**
   * Creates a starter.
   *
   * @param progress told a line for each step
   */
  ArrayStarter(ArrayProcesses processes, Consumer<String> progress) {
    this.processes = processes;
    this.progress = progress;
  }

  /**
   * Makes the array if there is none, starts what does not run, and waits until every pool is
   * served.
   *
   * @param changes settings from the command line: only for a new array
   */
  void up(Map<Settings.Key, String> changes) {
    ArrayDirectory directory = processes.directory();
    boolean isNew = !directory.exists();
    if (!isNew && !changes.isEmpty()) {
      throw new TwinspanException(
          "the array in "
              + directory.root()
              + " exists: its settings are in "
              + directory.settingsFile());
    }
    directory.create();
    boolean hasSettings = Files.exists(directory.settingsFile()); // even before there is an array
    if (!hasSettings || !changes.isEmpty()) {
      Settings settings =
          hasSettings ? Settings.read(directory.settingsFile()) : Settings.defaults();
      for (var change : changes.entrySet()) {
        settings = settings.with(change.getKey(), change.getValue());
      }
      settings.write(directory.settingsFile());
    }
    Settings.read(directory.settingsFile()); // a mistake is told here, not in a log
    ArrayIdentity.readOrCreate(directory);
    if (!processes.anyRunning()) {
      for (Path stale : directory.removeStaleSockets()) {
        progress.accept("removed " + stale.getFileName() + ", left by a run that crashed");
      }
    }
    startMissing();
    awaitServing();
  }

  private void startMissing() {
    Map<String, Process> started = new LinkedHashMap<>();
    for (String process : ArrayProcesses.all()) {
      if (!processes.isRunning(process)) {
        progress.accept("starting " + process);
        started.put(process, processes.start(process));
      }
    }
    started.forEach(processes::awaitReady);
  }

  /** Waits until every pool is served by a controller and both controllers that run are ready. */
  void awaitServing() {
    progress.accept("waiting until all pools are served");
    if (!ArrayProcesses.await(SERVING_DEADLINE, this::serving)) {
      throw new TwinspanException(
          "the pools were not served within "
              + SERVING_DEADLINE.toSeconds()
              + " s: see "
              + processes.directory().log());
    }
  }

  private boolean serving() {
    for (String controller : ArrayProcesses.CONTROLLERS) {
      String process = ArrayProcesses.controller(controller);
      if (processes.isRunning(process)) {
        try {
          JsonNode status = processes.ask(process, ArrayProcesses.request("status"));
          if (!status.path("state").asString("").equals("SERVING")) {
            return false;
          }
        } catch (TwinspanException e) {
          return false; // it is starting, or was killed: the deadline decides
        }
      }
    }
    return true;
  }
}
