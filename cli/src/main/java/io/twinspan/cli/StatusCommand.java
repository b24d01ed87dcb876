package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import java.io.PrintWriter;
import picocli.CommandLine.Command;
import tools.jackson.databind.JsonNode;

/** {@code twinspan status}. */
@Command(
    name = "status",
    description = "Show controllers, link, pools, drives and volumes.",
    mixinStandardHelpOptions = true)
final class StatusCommand extends ShowCommand {
  StatusCommand() {}

  @Override
  JsonNode answer() {
    return ArrayStatus.of(array().existing());
  }

  @Override
  void print(PrintWriter out, JsonNode status) {
    out.println("array       " + text(status, "directory"));
    JsonNode link = status.path("link");
    out.println("link        " + text(link, "state") + ", epoch " + link.path("epoch").asLong(0));
    for (JsonNode c : status.path("controllers")) {
      out.printf(
          "controller  %s  %s  pid %s  %s  pools %s%n",
          text(c, "name"),
          text(c, "state"),
          c.path("pid").asString("-"),
          memory(c),
          c.path("ownedPools").size() == 0 ? "-" : names(c.path("ownedPools")));
      for (JsonNode address : c.path("nbd")) {
        out.println("              " + address.asString());
      }
      for (JsonNode channel : c.path("channels")) {
        out.printf(
            "              channel %-10s  %12d operations  %10s  %d errors%n",
            text(channel, "name"),
            channel.path("operations").asLong(0),
            Sizes.rough(channel.path("bytes").asLong(0)),
            channel.path("errors").asLong(0));
      }
    }
    JsonNode shelf = status.path("shelf");
    out.printf(
        "shelf          %s  pid %s  %s%n",
        text(shelf, "state"), shelf.path("pid").asString("-"), memory(shelf));
    for (JsonNode drive : status.path("drives")) {
      out.printf(
          "drive       %s  %s  %s%n",
          text(drive, "name"),
          text(drive, "state"),
          Sizes.rough(drive.path("sizeBytes").asLong(0)));
      for (JsonNode queue : drive.path("queues")) {
        out.printf(
            "              port %s queue %d  depth %d  %d commands%n",
            text(queue, "port"),
            queue.path("queue").asLong(0),
            queue.path("depth").asLong(0),
            queue.path("commands").asLong(0));
      }
    }
    for (JsonNode pool : status.path("pools")) {
      out.printf(
          "pool        %s  owner %s  %s  epoch %d  %s of %s used%n",
          text(pool, "name"),
          text(pool, "owner"),
          text(pool, "role"),
          pool.path("epoch").asLong(0),
          Sizes.rough(pool.path("usedBytes").asLong(0)),
          Sizes.rough(pool.path("capacityBytes").asLong(0)));
    }
    VolumeCommand.table(out, status.path("volumes"));
  }

  private static String memory(JsonNode process) {
    return process.has("residentBytes")
        ? Sizes.rough(process.path("residentBytes").asLong(0))
        : "-";
  }

  private static String names(JsonNode list) {
    StringBuilder s = new StringBuilder();
    list.forEach(n -> s.append(s.isEmpty() ? "" : " ").append(n.asString()));
    return s.toString();
  }

  private static String text(JsonNode node, String field) {
    return node.path(field).asString("-");
  }
}
