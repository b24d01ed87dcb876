package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan link}. */
@Command(
    name = "link",
    description = "Look at the link between the controllers, or cut it.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {LinkCommand.Show.class, LinkCommand.Cut.class})
final class LinkCommand {
  private LinkCommand() {}

  @Command(
      name = "cut",
      description = {
        "End the link while both controllers live, as a loose cable would; it comes again by"
            + " itself.",
        "One controller goes on with both pools until the other one is in step again."
      },
      mixinStandardHelpOptions = true)
  static final class Cut extends ShowCommand {
    Cut() {}

    @Override
    JsonNode answer() {
      ObjectNode request = ArrayProcesses.request("link-cut");
      return array().existing().askAnyController(request, Duration.ofSeconds(5));
    }

    @Override
    void print(PrintWriter out, JsonNode answer) {
      out.println(answer.path("cut").asBoolean() ? "the link is cut" : "the link was down");
    }
  }

  @Command(
      name = "show",
      description = "Show channels, rings and queue pairs as both controllers see them now.",
      mixinStandardHelpOptions = true)
  static final class Show implements Callable<Integer> {
    private static final long WATCH_MS = 1000;
    private static final String CLEAR = "\033[H\033[2J";

    @Spec private CommandSpec spec = CommandSpec.create();
    @Mixin private ArrayOptions array = new ArrayOptions();
    @Mixin private JsonOption json = new JsonOption();

    @Option(
        names = "--watch",
        description = "Show it again every second, until Ctrl-C or no controller runs.")
    private boolean watch;

    Show() {}

    @Override
    public Integer call() throws InterruptedException {
      ArrayProcesses processes = array.existing();
      PrintWriter out = spec.commandLine().getOut();
      do {
        ObjectNode links = ask(processes);
        if (json.isOn()) {
          JsonOption.print(out, links);
        } else {
          out.print(watch ? CLEAR : "");
          links.path("controllers").forEach(controller -> print(out, controller));
          out.flush();
        }
        if (watch) {
          Thread.sleep(WATCH_MS);
        }
      } while (watch && !out.checkError());
      return CommandLine.ExitCode.OK;
    }

    /** What each controller tells; one that does not is in it with the reason. */
    private static ObjectNode ask(ArrayProcesses processes) {
      ObjectNode all = JsonNodeFactory.instance.objectNode();
      ArrayNode controllers = all.putArray("controllers");
      boolean anyRuns = false;
      for (String name : ArrayProcesses.CONTROLLERS) {
        String process = ArrayProcesses.controller(name);
        ObjectNode controller = controllers.addObject().put("name", name);
        boolean runs = processes.isRunning(process);
        anyRuns |= runs;
        if (!runs) {
          controller.put("error", "it does not run");
          continue;
        }
        try {
          controller.set("link", processes.ask(process, ArrayProcesses.request("link-show")));
        } catch (TwinspanException e) {
          controller.put("error", e.getMessage());
        }
      }
      if (!anyRuns) {
        throw new TwinspanException("no controller is running: start the array with twinspan up");
      }
      return all;
    }

    private static void print(PrintWriter out, JsonNode controller) {
      String name = controller.path("name").asString("");
      JsonNode link = controller.path("link");
      if (link.isMissingNode()) {
        out.printf("controller %s  %s%n", name, controller.path("error").asString(""));
        return;
      }
      out.printf(
          "controller %s  side %s  link %s  generation %d  peer %s%n",
          name,
          link.path("side").asString(""),
          link.path("up").asBoolean() ? "UP" : "DOWN",
          link.path("generation").asLong(),
          orDash(link.path("peerName")));
      link.path("channels").forEach(channel -> print(out, channel.path("spec"), channel));
    }

    private static void print(PrintWriter out, JsonNode spec, JsonNode channel) {
      JsonNode counts = channel.path("counts");
      out.printf(
          "  channel %d %-10s %-6s %s  priority %d  weight %d  life %d  %s%n",
          spec.path("id").asInt(),
          spec.path("name").asString(""),
          spec.path("direction").asString(""),
          channel.path("up").asBoolean() ? "UP" : "DOWN",
          spec.path("priority").asInt(),
          spec.path("weight").asInt(),
          channel.path("life").asLong(),
          channel.path("downReason").asString(""));
      out.printf(
          "    sent %d (%s, %d errors)  received %d (%s, %d errors)  waits: %d receive, %d ring"
              + "  wrong CRCs: %d%n",
          counts.path("sentOperations").asLong(),
          Sizes.rough(counts.path("sentBytes").asLong()),
          counts.path("sendErrors").asLong(),
          counts.path("receivedOperations").asLong(),
          Sizes.rough(counts.path("receivedBytes").asLong()),
          counts.path("receiveErrors").asLong(),
          counts.path("receiverWaits").asLong(),
          counts.path("ringWaits").asLong(),
          counts.path("crcErrors").asLong());
      JsonNode latency = channel.path("latency");
      out.printf(
          Locale.ROOT,
          "    latency p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f us of %d samples%n",
          latency.path("p50Ns").asLong() / 1e3,
          latency.path("p99Ns").asLong() / 1e3,
          latency.path("p999Ns").asLong() / 1e3,
          latency.path("maxNs").asLong() / 1e3,
          latency.path("samples").asLong());
      out.printf(
          "    regions: own %s  peer's %s%n",
          regions(channel.path("regions")), regions(channel.path("remoteRegions")));
      for (JsonNode ring : channel.path("rings")) {
        out.printf(
            "    ring %-6s claimed %d  published %d  consumed %d  in use %d of %d%n",
            ring.path("engine").asString(""),
            ring.path("claimed").asLong(),
            ring.path("published").asLong(),
            ring.path("consumed").asLong(),
            ring.path("inUse").asInt(),
            ring.path("capacity").asInt());
      }
      channel.path("queuePairs").forEach(pair -> printQueuePair(out, pair));
    }

    private static void printQueuePair(PrintWriter out, JsonNode pair) {
      out.printf(
          "    qp %d %-5s sends posted %d issued %d completed %d  receives posted %d completed %d"
              + "  credit %d  %s%n",
          pair.path("number").asInt(),
          pair.path("state").asString(""),
          pair.path("sendsPosted").asLong(),
          pair.path("sendsIssued").asLong(),
          pair.path("sendsCompleted").asLong(),
          pair.path("receivesPosted").asLong(),
          pair.path("receivesCompleted").asLong(),
          pair.path("credit").asLong(),
          pair.path("lastError").asString(""));
    }

    private static String regions(JsonNode regions) {
      StringBuilder text = new StringBuilder();
      for (JsonNode region : regions) {
        text.append(
            "[slot %d rkey 0x%x %s]"
                .formatted(
                    region.path("slot").asInt(),
                    region.path("rkey").asInt(),
                    Sizes.rough(region.path("lengthBytes").asLong())));
      }
      return text.isEmpty() ? "-" : text.toString();
    }

    private static String orDash(JsonNode text) {
      return text.asString("").isEmpty() ? "-" : text.asString("");
    }
  }
}
