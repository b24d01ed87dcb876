package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ArrayIdentity;
import io.twinspan.controller.ControlServer;
import io.twinspan.controller.ProcessLock;
import io.twinspan.controller.Settings;
import io.twinspan.linux.Processes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.shelf.Fault;
import io.twinspan.shelf.FaultPlan;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import io.twinspan.shelf.ShelfStatus;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** The process that serves an array's drives. */
public final class ShelfProcess {
  private static final Logger LOG = LoggerFactory.getLogger(ShelfProcess.class);

  private ShelfProcess() {}

  /**
   * Serves the drives until the process is asked to end.
   *
   * @param args the array's directory
   */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) throws InterruptedException {
    try {
      run(ArrayDirectory.at(Path.of(args[0])));
    } catch (TwinspanException e) { // says itself what is wrong: no trace
      LOG.error("the shelf stops: {}", e.getMessage());
      System.exit(1);
    } catch (RuntimeException e) {
      LOG.error("the shelf stops: {}", e.getMessage(), e);
      System.err.println("shelf: " + e.getMessage());
      System.exit(1);
    }
  }

  private static void run(ArrayDirectory directory) throws InterruptedException {
    Processes.setSid(); // the terminal that started it may go
    CountDownLatch end = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Settings settings = Settings.read(directory.settingsFile());
    ArrayIdentity identity = ArrayIdentity.read(directory.identityFile());
    try (var _ = ProcessLock.take(directory.lockFile(ArrayProcesses.SHELF));
        Shelf shelf = new Shelf(options(directory, settings, identity)).start();
        var _ =
            ControlServer.start(
                directory.controlSocket(ArrayProcesses.SHELF),
                (c, request) -> answer(shelf, c, request))) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endAndWait(end, ended), "shutdown"));
      LOG.info("serving {} drives of {}", shelf.drives().size(), identity);
      end.await();
      LOG.info("ending");
    } finally {
      ended.countDown();
    }
  }

  /** Waits for what main does, not for main: that may itself be in {@code System.exit}. */
  private static void endAndWait(CountDownLatch end, CountDownLatch ended) {
    end.countDown();
    try {
      ended.await(); // the drives are flushed and closed
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static ShelfOptions options(
      ArrayDirectory directory, Settings settings, ArrayIdentity identity) {
    return new ShelfOptions(
        directory.shelf(),
        directory.run(),
        settings.count(Settings.Key.SHELF_DRIVES),
        settings.number(Settings.Key.SHELF_DRIVE_SIZE),
        ArrayProcesses.CONTROLLERS,
        Long.toHexString(identity.arrayId()).toUpperCase(java.util.Locale.ROOT));
  }

  private static JsonNode answer(Shelf shelf, String command, JsonNode request) {
    return switch (command) {
      case "status" -> status(shelf);
      case "fault" -> fault(shelf, request);
      default ->
          throw new TwinspanException(
              "the shelf knows no command \"" + command + "\", only status and fault");
    };
  }

  /** Makes {@code drive} show {@code fault}: clear, remove, insert, or what a fault's text is. */
  private static JsonNode fault(Shelf shelf, JsonNode request) {
    int number = request.path("drive").asInt(0);
    String text = request.path("fault").asString("");
    if (number < 0 || number >= shelf.drives().size()) {
      throw new TwinspanException("there is no drive " + number);
    }
    FaultPlan faults = shelf.drives().get(number).faults();
    switch (text) {
      case "clear" -> faults.clear();
      case "remove" -> faults.remove();
      case "insert" -> faults.insert();
      default -> {
        try {
          faults.add(Fault.parse(text));
        } catch (IllegalArgumentException e) {
          throw new TwinspanException("no fault \"" + text + "\": " + e.getMessage(), e);
        }
      }
    }
    ObjectNode answer = JsonNodeFactory.instance.objectNode().put("removed", faults.isRemoved());
    ArrayNode active = answer.putArray("faults");
    faults.faults().forEach(fault -> active.add(fault.toString()));
    return answer;
  }

  private static JsonNode status(Shelf shelf) {
    ObjectNode status = JsonNodeFactory.instance.objectNode();
    status.put("ready", true).put("state", "SERVING").put("pid", Processes.pid());
    status.put("residentBytes", Processes.residentBytes());
    ArrayNode drives = status.putArray("drives");
    for (ShelfStatus.Drive drive : shelf.status().drives()) {
      ObjectNode d = drives.addObject();
      d.put("name", "drive" + drive.number()).put("state", drive.state());
      d.put("model", drive.model())
          .put("serial", drive.serial())
          .put("sizeBytes", drive.sizeBytes());
      ArrayNode queues = d.putArray("queues");
      for (ShelfStatus.Port port : drive.ports()) {
        for (ShelfStatus.Queue queue : port.queues()) {
          if (queue.id() > 0) { // queue 0 is the driver's, not private
            queues
                .addObject()
                .put("port", port.name())
                .put("queue", queue.id())
                .put("depth", queue.depth())
                .put("commands", queue.commands())
                .put("bytes", queue.bytes())
                .put("errors", queue.errors());
          }
        }
      }
    }
    return status;
  }
}
