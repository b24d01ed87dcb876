package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** The status of a whole array, put together from what its processes answer. */
final class ArrayStatus {
  private ArrayStatus() {}

  /** Asks every process; one that does not run or answer is in the status as such. */
  static ObjectNode of(ArrayProcesses processes) {
    ObjectNode status = JsonNodeFactory.instance.objectNode();
    status.put("directory", processes.directory().root().toString());
    ArrayNode controllers = status.putArray("controllers");
    ObjectNode link = status.putObject("link");
    link.put("state", "DOWN").put("epoch", 0);
    ArrayNode pools = status.putArray("pools");
    ArrayNode volumes = status.putArray("volumes");
    for (String name : ArrayProcesses.CONTROLLERS) {
      ObjectNode controller = ask(processes, ArrayProcesses.controller(name));
      controller.put("name", name);
      takePools(controller, name, pools);
      JsonNode its = controller.remove("volumes");
      if (its != null && its.size() >= volumes.size()) {
        volumes.removeAll();
        its.forEach(volumes::add);
      }
      JsonNode itsLink = controller.remove("link");
      if (itsLink != null && itsLink.path("epoch").asLong(0) >= link.path("epoch").asLong(0)) {
        link.setAll((ObjectNode) itsLink);
      }
      controllers.add(controller);
    }
    nameOwners(volumes, pools);
    ObjectNode shelf = ask(processes, ArrayProcesses.SHELF);
    JsonNode drives = shelf.remove("drives");
    status.set("shelf", shelf);
    status.set("drives", drives == null ? JsonNodeFactory.instance.arrayNode() : drives);
    return status;
  }

  private static void takePools(ObjectNode controller, String name, ArrayNode pools) {
    ArrayNode owned = JsonNodeFactory.instance.arrayNode();
    for (JsonNode pool : controller.path("pools")) {
      if (pool.path("owner").asBoolean(false)) {
        owned.add(pool.path("name").asString());
        ObjectNode entry = ((ObjectNode) pool).deepCopy();
        pools.add(entry.put("owner", name));
      }
    }
    controller.set("ownedPools", owned);
  }

  private static void nameOwners(ArrayNode volumes, ArrayNode pools) {
    for (JsonNode volume : volumes) {
      for (JsonNode pool : pools) {
        if (pool.path("name").equals(volume.path("pool"))) {
          ((ObjectNode) volume).set("owner", pool.path("owner"));
        }
      }
    }
  }

  private static ObjectNode ask(ArrayProcesses processes, String process) {
    var pid = processes.pid(process);
    ObjectNode down = JsonNodeFactory.instance.objectNode();
    if (pid.isEmpty()) {
      return down.put("state", "DOWN");
    }
    try {
      return (ObjectNode) processes.ask(process, ArrayProcesses.request("status"));
    } catch (TwinspanException e) {
      return down.put("pid", pid.getAsInt()).put("state", "SILENT").put("error", e.getMessage());
    }
  }
}
