package io.twinspan.cli;

import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Counters of all lives of both controllers: a process that is killed takes its counters with it,
 * so they are taken shortly before. What it did between the two is missing.
 */
final class DemoTotals {
  private record Channel(long operations, long bytes, long errors) {}

  private final TreeMap<String, Channel> channels = new TreeMap<>();
  private final TreeMap<String, Long> commands = new TreeMap<>();
  private long forwarded;

  DemoTotals() {}

  /** Adds what a controller counted in a life that is about to end. */
  void add(String controller, JsonNode status) {
    forwarded += status.path("forwardedRequests").asLong(0);
    for (JsonNode c : status.path("channels")) {
      Channel more =
          new Channel(
              c.path("operations").asLong(0),
              c.path("bytes").asLong(0),
              c.path("errors").asLong(0));
      channels.merge(
          controller + " " + c.path("name").asString("?"),
          more,
          (x, y) ->
              new Channel(x.operations + y.operations, x.bytes + y.bytes, x.errors + y.errors));
    }
    for (JsonNode queue : status.path("queues")) {
      commands.merge(
          controller + " " + queue.path("drive").asString("?"),
          queue.path("commands").asLong(0),
          Long::sum);
    }
  }

  long forwarded() {
    return forwarded;
  }

  /** Puts the totals into a report. */
  void report(ObjectNode report) {
    report.put("forwardedRequests", forwarded);
    var list = report.putArray("channels");
    channels.forEach((key, c) ->
        list.addObject()
            .put("controller", key.substring(0, 1))
            .put("name", key.substring(2))
            .put("operations", c.operations)
            .put("bytes", c.bytes)
            .put("errors", c.errors));
    var queues = report.putArray("privateQueues");
    commands.forEach((key, n) ->
        queues
            .addObject()
            .put("controller", key.substring(0, 1))
            .put("drive", key.substring(2))
            .put("commands", n));
  }
}
