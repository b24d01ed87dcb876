package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan controller handover}. */
@Command(
    name = "handover",
    description = {
      "Give the pools of a controller to the other one, while hosts go on.",
      "They stay there until they are handed back, or until their home controller has been away and"
          + " is back. The status is 1 if a pool could not be handed over."
    },
    mixinStandardHelpOptions = true)
final class HandoverCommand extends ShowCommand {
  private static final Duration IN_STEP_DEADLINE = Duration.ofSeconds(30);
  private static final Duration ANSWER_DEADLINE = Duration.ofSeconds(25);
  private static final List<String> POOLS = List.of("A", "B");

  @Parameters(index = "0", paramLabel = "NAME", description = "The controller that gives: a or b")
  private String name = "";

  @Option(
      names = "--pool",
      paramLabel = "POOL",
      description = "Only this pool, A or B. Default: all that the controller has.")
  private @Nullable String pool;

  HandoverCommand() {}

  @Override
  JsonNode answer() {
    if (!ArrayProcesses.CONTROLLERS.contains(name)) {
      throw wrongUsage("there is no controller \"" + name + "\", only a and b");
    }
    if (pool != null && !POOLS.contains(pool)) {
      throw wrongUsage("there is no pool \"" + pool + "\", only A and B");
    }
    ArrayProcesses processes = array().existing();
    String process = ArrayProcesses.controller(name);
    if (!processes.isRunning(process)) {
      throw new TwinspanException(process + " is not running");
    }
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    answer.put("from", name).put("to", name.equals("a") ? "b" : "a");
    ArrayNode handed = answer.putArray("pools");
    for (String each : ownedPools(processes, process)) {
      if (pool == null || pool.equals(each)) {
        progress("waiting until pool " + each + " is in step");
        awaitInStep(processes, process, each);
        progress("handing over pool " + each);
        handed.add(handOver(processes, process, each));
      }
    }
    if (pool != null && handed.isEmpty()) {
      throw new TwinspanException("controller " + name + " does not have pool " + pool);
    }
    return answer;
  }

  private static void progress(String line) {
    if (Terminal.isThere()) {
      System.err.println(line);
    }
  }

  private static List<String> ownedPools(ArrayProcesses processes, String process) {
    List<String> owned = new ArrayList<>();
    for (JsonNode each : pools(processes, process)) {
      if (each.path("owner").asBoolean(false)) {
        owned.add(each.path("name").asString());
      }
    }
    return owned;
  }

  private static JsonNode pools(ArrayProcesses processes, String process) {
    return processes.ask(process, ArrayProcesses.request("status")).path("pools");
  }

  /** A pool that has just changed hands is in step again a moment later. */
  private static void awaitInStep(ArrayProcesses processes, String process, String pool) {
    boolean inStep =
        ArrayProcesses.await(IN_STEP_DEADLINE, () -> isInStep(processes, process, pool));
    if (!inStep) {
      throw new TwinspanException(
          "pool %s was not in step with the other controller within %d s: is that one well?"
              .formatted(pool, IN_STEP_DEADLINE.toSeconds()));
    }
  }

  private static boolean isInStep(ArrayProcesses processes, String process, String pool) {
    for (JsonNode each : pools(processes, process)) {
      if (each.path("name").asString("").equals(pool)) {
        return each.path("role").asString("").equals("OWNER_MIRRORED");
      }
    }
    return false;
  }

  /**
   * Hands a pool over.
   *
   * @return the pool, and for how long its hosts' requests waited
   * @throws TwinspanException if it stays where it is
   */
  static JsonNode handOver(ArrayProcesses processes, String process, String pool) {
    return processes.ask(
        process, ArrayProcesses.request("pool-handover").put("pool", pool), ANSWER_DEADLINE);
  }

  @Override
  void print(PrintWriter out, JsonNode answer) {
    if (answer.path("pools").isEmpty()) {
      out.println("controller " + name + " has no pool");
    }
    for (JsonNode each : answer.path("pools")) {
      out.printf(
          "pool %s is with controller %s now; hosts waited %.1f ms%n",
          each.path("pool").asString(),
          answer.path("to").asString(),
          each.path("waitedMs").asDouble());
    }
  }
}
