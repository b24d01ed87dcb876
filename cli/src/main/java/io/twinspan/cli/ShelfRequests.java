package io.twinspan.cli;

import io.twinspan.linux.Processes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.shelf.Fault;
import io.twinspan.shelf.FaultPlan;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfStatus;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What may be asked of a shelf at its control socket. Any thread. */
final class ShelfRequests {
  private ShelfRequests() {}

  /**
   * Answers one request.
   *
   * @throws TwinspanException if it makes no sense
   */
  static JsonNode answer(Shelf shelf, String command, JsonNode request) {
    return switch (command) {
      case "status" -> status(shelf);
      case "fault" -> fault(shelf, request);
      default ->
          throw new TwinspanException(
              "the shelf knows no command \"" + command + "\", only status and fault");
    };
  }

  /** Makes {@code drive} show {@code fault}, and tells what it shows. */
  private static JsonNode fault(Shelf shelf, JsonNode request) {
    String name = request.path("drive").asString("");
    FaultPlan faults =
        shelf.drives().stream()
            .filter(drive -> ("drive" + drive.number()).equals(name))
            .findFirst()
            .orElseThrow(() -> new TwinspanException("there is no drive \"" + name + "\""))
            .faults();
    change(faults, request.path("fault").asString(""));
    ObjectNode answer = JsonNodeFactory.instance.objectNode().put("removed", faults.isRemoved());
    ArrayNode active = answer.putArray("faults");
    faults.faults().forEach(fault -> active.add(fault.toString()));
    return answer;
  }

  /**
   * Changes what goes wrong with a drive.
   *
   * @param text {@code clear}, {@code remove}, {@code insert}, what a fault's text is, or nothing
   * @throws TwinspanException if it is neither
   */
  static void change(FaultPlan faults, String text) {
    switch (text) {
      case "" -> {}
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
  }

  private static FaultPlan faults(Shelf shelf, int drive) {
    return shelf.drives().get(drive).faults();
  }

  private static JsonNode status(Shelf shelf) {
    ObjectNode status = JsonNodeFactory.instance.objectNode();
    status.put("ready", true).put("state", "SERVING").put("pid", Processes.pid());
    status.put("residentBytes", Processes.residentBytes());
    ArrayNode drives = status.putArray("drives");
    for (ShelfStatus.Drive drive : shelf.status().drives()) {
      ObjectNode d = drives.addObject();
      d.put("name", "drive" + drive.number()).put("state", drive.state());
      d.put("removed", faults(shelf, drive.number()).isRemoved());
      d.put("model", drive.model()).put("serial", drive.serial());
      d.put("firmware", drive.firmware()).put("sizeBytes", drive.sizeBytes());
      ArrayNode namespaces = d.putArray("namespaces");
      for (ShelfStatus.NamespaceSize namespace : drive.namespaces()) {
        namespaces
            .addObject()
            .put("nsid", namespace.nsid())
            .put("sizeBytes", namespace.sizeBytes())
            .put("blockBytes", namespace.blockBytes());
      }
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
