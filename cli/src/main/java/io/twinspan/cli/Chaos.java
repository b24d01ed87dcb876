package io.twinspan.cli;

import io.twinspan.controller.Settings;
import io.twinspan.linux.Processes.Signal;
import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Redundancy;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Attacks an array of its own, whose processes are real, while hosts work with it. A seed takes the
 * same decisions again; their moments are the machine's. Used once, by one thread.
 */
final class Chaos implements AutoCloseable {
  private static final List<String> VOLUMES = List.of("alpha", "beta");
  private static final long VOLUME_BYTES = 64 << 20;
  private static final long USED_BYTES = 8 << 20;
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final Duration STOP_PATIENCE = Duration.ofSeconds(15);
  private static final int MAX_PAUSE_MS = 300;

  /** Three times the heartbeat's limit: a third of the stops ends before anybody notices. */
  private static final int MAX_STOP_MS = 900;

  /** Pools are home again, and the next fault can come, the sooner. */
  private static final String GIVEBACK_DELAY = "100ms";

  private final ScratchArray array;
  private final ArrayProcesses processes;
  private final ArrayStarter starter;
  private final PrintWriter err;
  private final Random random;
  private final Redundancy redundancy;
  private final ChaosDrives drives;
  private final long seed;
  private final List<ChaosFault> faults;
  private final Map<ChaosFault, List<Long>> stallsMs = new EnumMap<>(ChaosFault.class);
  private int count;

  /** Times that nobody served a pool until a controller that stood still woke. */
  private int unserved;

  Chaos(long seed, Redundancy redundancy, Set<ChaosFault> faults, PrintWriter err) {
    this.seed = seed;
    this.redundancy = redundancy;
    this.faults =
        faults.stream()
            .flatMap(fault -> Collections.nCopies(fault.weight, fault).stream())
            .toList();
    this.err = err;
    random = new Random(seed);
    array = new ScratchArray("chaos", err);
    processes = array.processes();
    starter = new ArrayStarter(processes, line -> {});
    drives = new ChaosDrives(processes, redundancy, random);
  }

  /**
   * Goes on for a while, or until something is wrong; then the directory is kept.
   *
   * @param most how many faults at most
   * @return the report
   */
  ObjectNode run(Duration time, int most) {
    long begunNs = System.nanoTime();
    say("seed " + seed + ", array in " + processes.directory().root());
    starter.up(
        Map.of(
            Settings.Key.SHELF_DRIVES,
            Integer.toString(ChaosDrives.count(redundancy)),
            Settings.Key.SHELF_DRIVE_SIZE,
            "1GiB",
            Settings.Key.POOL_REDUNDANCY,
            redundancy.word(),
            Settings.Key.GIVEBACK_DELAY,
            GIVEBACK_DELAY));
    for (int i = 0; i < VOLUMES.size(); i++) {
      array.createVolume(VOLUMES.get(i), i == 0 ? "A" : "B", VOLUME_BYTES);
    }
    var controllers = List.of(array.nbd("a"), array.nbd("b"));
    try (ChaosHosts hosts = new ChaosHosts(controllers, VOLUMES, USED_BYTES, seed)) {
      hosts.start();
      @Nullable String violation;
      try {
        long endNs = System.nanoTime() + time.toNanos();
        while (count < most && System.nanoTime() < endNs && hosts.violation() == null) {
          strike(hosts);
        }
        await("both pools to be at home and mirrored", this::isInStep);
        drives.takeIn();
        hosts.stop();
        for (int i = 0; i < controllers.size() && hosts.violation() == null; i++) {
          hosts.verify(i);
        }
        violation = hosts.violation();
      } catch (TwinspanException e) {
        if (Thread.currentThread().isInterrupted()) {
          throw e; // told to end: that is no fault of the array's
        }
        String first = hosts.violation();
        violation = first == null ? e.getMessage() : first;
      }
      return report(hosts, violation, (System.nanoTime() - begunNs) / 1e9);
    }
  }

  private void strike(ChaosHosts hosts) {
    boolean calm = random.nextInt(10) < 6;
    if (calm) {
      await("both pools to be at home and mirrored", this::isInStep);
    }
    ArrayProcesses.pause(random.nextInt(MAX_PAUSE_MS));
    ChaosFault fault = faults.get(random.nextInt(faults.size()));
    String victim = ArrayProcesses.CONTROLLERS.get(random.nextInt(2));
    var _ = hosts.takeLongestNs();
    String what =
        switch (fault) {
          case KILL -> kill(hosts, victim);
          case STOP -> stop(hosts, victim);
          case HANDOVER -> handOver(victim);
          case CUT -> cut(victim);
          case DRIVE -> drives.spoil();
          case EXCHANGE -> drives.exchange();
          case BLACKOUT -> blackOut(hosts);
        };
    awaitProgress(hosts);
    long stallMs = hosts.takeLongestNs() / 1_000_000;
    stallsMs.computeIfAbsent(fault, each -> new ArrayList<>()).add(stallMs);
    count++;
    say(
        "%4d  %-28s %s  longest wait %d ms"
            .formatted(count, what, calm ? "in step      " : "at any moment", stallMs));
    startMissing();
  }

  private String kill(ChaosHosts hosts, String victim) {
    processes.kill(ArrayProcesses.controller(victim));
    if (random.nextBoolean()) {
      awaitProgress(hosts);
    }
    startMissing();
    return "kill " + victim;
  }

  /**
   * Perhaps until the other controller serves everything. It can't if this one stands still in the
   * middle of taking a pool: that is not for ever, so neither is the wait.
   */
  private String stop(ChaosHosts hosts, String victim) {
    int ms = random.nextInt(MAX_STOP_MS);
    String process = ArrayProcesses.controller(victim);
    boolean served = true;
    processes.signal(process, Signal.STOP);
    try {
      ArrayProcesses.pause(ms);
      if (random.nextBoolean()) {
        long nowNs = System.nanoTime();
        served = ArrayProcesses.await(STOP_PATIENCE, () -> hosts.hasProgressedSince(nowNs));
      }
    } finally {
      processes.signal(process, Signal.CONT);
    }
    unserved += served ? 0 : 1;
    return "stop %s for %d ms or more%s".formatted(victim, ms, served ? "" : ", not served");
  }

  /** Both ways, if the pool is in step; else it stays, and what has been handed over goes back. */
  private String handOver(String victim) {
    String pool = victim.equals("a") ? "A" : "B";
    String other = victim.equals("a") ? "b" : "a";
    try {
      double there = handOver(victim, pool);
      await("pool " + pool + " to be in step", () -> isInStepAt(other, pool));
      double back = handOver(other, pool);
      return "handover of %s, %.0f and %.0f ms".formatted(pool, there, back);
    } catch (TwinspanException e) {
      return "no handover of " + pool; // a controller is starting, or has lost the link
    }
  }

  private double handOver(String controller, String pool) {
    return HandoverCommand.handOver(processes, ArrayProcesses.controller(controller), pool)
        .path("waitedMs")
        .asDouble();
  }

  private boolean isInStepAt(String controller, String pool) {
    try {
      return array.owns(controller, pool);
    } catch (TwinspanException e) {
      return false; // it is starting
    }
  }

  private String cut(String victim) {
    ObjectNode request = ArrayProcesses.request("link-cut");
    JsonNode answer = processes.ask(ArrayProcesses.controller(victim), request);
    return "cut at %s%s".formatted(victim, answer.path("cut").asBoolean() ? "" : " (was down)");
  }

  private String blackOut(ChaosHosts hosts) {
    List<String> order = new ArrayList<>(ArrayProcesses.all());
    Collections.shuffle(order, random);
    for (String process : order) {
      if (processes.isRunning(process)) {
        processes.kill(process);
      }
    }
    hosts.memoryIsLost();
    starter.up(Map.of());
    return "blackout";
  }

  /** Starts what a fault has ended, and waits until every pool is served again. */
  private void startMissing() {
    starter.up(Map.of());
  }

  private boolean isInStep() {
    startMissing();
    boolean a = isAtHome("a", "A");
    boolean b = isAtHome("b", "B"); // asked in any case: it hands back what is not
    return a && b;
  }

  /** Hands back what a handover that was cut short has left with the other controller. */
  private boolean isAtHome(String home, String pool) {
    String other = home.equals("a") ? "b" : "a";
    boolean there = isInStepAt(home, pool);
    if (!there && isInStepAt(other, pool)) {
      try {
        var _ = handOver(other, pool);
      } catch (TwinspanException e) {
        return false; // again later
      }
    }
    return there;
  }

  private void awaitProgress(ChaosHosts hosts) {
    long nowNs = System.nanoTime();
    await(
        "every host to get on", () -> hosts.hasProgressedSince(nowNs) || hosts.violation() != null);
  }

  static void await(String what, BooleanSupplier condition) {
    if (!ArrayProcesses.await(PATIENCE, condition)) {
      throw new TwinspanException(
          "waited %d s in vain for %s".formatted(PATIENCE.toSeconds(), what));
    }
  }

  private ObjectNode report(ChaosHosts hosts, @Nullable String violation, double seconds) {
    ObjectNode report = JsonNodeFactory.instance.objectNode().put("seed", seed);
    report.put("redundancy", redundancy.word());
    report.put("seconds", Math.round(seconds * 10) / 10.0).put("faults", count);
    report.put("unservedStops", unserved);
    ObjectNode kinds = report.putObject("kinds");
    stallsMs.forEach((fault, stalls) -> {
      List<Long> sorted = stalls.stream().sorted().toList();
      kinds
          .putObject(fault.name())
          .put("count", sorted.size())
          .put("medianWaitMs", sorted.get(sorted.size() / 2))
          .put("longestWaitMs", sorted.getLast());
    });
    report.put("writes", hosts.writes()).put("reads", hosts.reads());
    report.put("flushes", hosts.flushes());
    if (violation != null) {
      report.put("violation", violation);
      report.put("directory", processes.directory().root().toString());
      array.keep();
    }
    return report;
  }

  private void say(String line) {
    err.println(line);
    err.flush();
  }

  @Override
  public void close() {
    array.close();
  }
}
