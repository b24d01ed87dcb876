package io.twinspan.cli;

import io.twinspan.controller.Settings;
import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The demo: an array of its own, real data, two kills, every byte verified. Used once, by one
 * thread; leaves nothing behind.
 */
final class Demo implements AutoCloseable {
  private static final Duration GIVEBACK_DEADLINE = Duration.ofSeconds(60);
  private static final double KILL_AFTER = 0.4;
  private static final long MIN_DRIVE_BYTES = 2L << 30;

  private final DemoInput input;
  private final PrintWriter err;
  private final ScratchArray array;
  private final ArrayProcesses processes;
  private final DemoTotals totals = new DemoTotals();
  private final ObjectNode report = JsonNodeFactory.instance.objectNode();
  private long written;
  private long verified;
  private long mismatches;

  Demo(DemoInput input, PrintWriter err) {
    this.input = input;
    this.err = err;
    array = new ScratchArray("demo", err);
    processes = array.processes();
  }

  /** Runs the whole story and tells it. */
  ObjectNode run() {
    long begun = System.nanoTime();
    say("input: " + input.files() + " files, " + Sizes.rough(input.bytes()));
    Map<Settings.Key, String> settings = new EnumMap<>(Settings.Key.class);
    settings.put(Settings.Key.SHELF_DRIVE_SIZE, Sizes.format(driveBytes()));
    new ArrayStarter(processes, this::say).up(settings);
    createVolumes();
    DemoHosts hosts = new DemoHosts(input, List.of(array.nbd("a"), array.nbd("b")));
    var kills = report.putArray("kills");
    for (int pass = 0; pass < 2; pass++) {
      String victim = pass == 0 ? "a" : "b";
      ObjectNode kill = kills.addObject().put("controller", victim);
      writeAndKill(hosts, pass, victim, kill);
      verifyThrough(hosts, 1 - pass, pass);
      bringBack(victim, kill);
    }
    for (String name : ArrayProcesses.CONTROLLERS) {
      totals.add(name, array.status(name));
    }
    say("shutting down");
    if (!DownCommand.stopAll(processes, this::say)) {
      throw new TwinspanException("the array did not shut down in good order");
    }
    report.put("files", input.files());
    report.put("bytesWritten", written);
    report.put("bytesVerified", verified);
    report.put("mismatches", mismatches);
    totals.report(report);
    report.put("seconds", Math.round((System.nanoTime() - begun) / 1e8) / 10.0);
    return report;
  }

  private long driveBytes() {
    // both passes may be on the drives at once, twice each, with room for the pool's own data
    return Math.max(MIN_DRIVE_BYTES, Math.ceilDiv(input.bytes() * 3, 1L << 30) << 30);
  }

  private void createVolumes() {
    String pools = "AB";
    for (int i = 0; i < DemoHosts.VOLUMES.size(); i++) {
      array.createVolume(
          DemoHosts.VOLUMES.get(i), pools.substring(i, i + 1), DemoHosts.volumeBytes(input));
    }
  }

  private void writeAndKill(DemoHosts hosts, int pass, String victim, ObjectNode kill) {
    AtomicLong acknowledged = new AtomicLong();
    AtomicReference<TwinspanException> killFailed = new AtomicReference<>();
    long killAt = (long) (input.bytes() * KILL_AFTER);
    Thread killer =
        Thread.ofPlatform()
            .name("killer")
            .start(() -> {
              try {
                killWhen(acknowledged, killAt, victim, hosts);
              } catch (TwinspanException e) {
                killFailed.set(e);
              }
            });
    try (ProgressBar bar = bar("writing, kill -9 " + victim)) {
      hosts.write(
          pass,
          n -> {
            acknowledged.addAndGet(n);
            bar.stepBy(n);
          });
      killer.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    } finally {
      killer.interrupt();
    }
    TwinspanException failed = killFailed.get();
    if (failed != null) {
      throw new TwinspanException(
          "could not kill controller " + victim + ": " + failed.getMessage(), failed);
    }
    written += acknowledged.get();
    kill.put("longestStallMs", Math.round(hosts.takeLongestStallNs() / 1e5) / 10.0);
  }

  private void killWhen(AtomicLong acknowledged, long bytes, String victim, DemoHosts hosts) {
    try {
      while (acknowledged.get() < bytes) {
        Thread.sleep(1);
      }
      totals.add(victim, array.status(victim));
      hosts.killNow();
      processes.kill(ArrayProcesses.controller(victim));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the writers failed before
    }
  }

  private void verifyThrough(DemoHosts hosts, int controller, int pass) {
    String name = ArrayProcesses.CONTROLLERS.get(controller);
    try (ProgressBar bar = bar("verifying through " + name)) {
      AtomicLong bytes = new AtomicLong();
      mismatches +=
          hosts.verify(
              controller,
              pass,
              n -> {
                bytes.addAndGet(n);
                bar.stepBy(n);
              });
      verified += bytes.get();
    }
  }

  private void bringBack(String victim, ObjectNode kill) {
    say("starting controller " + victim + " again; waiting for resync and giveback");
    long begun = System.nanoTime();
    String process = ArrayProcesses.controller(victim);
    processes.awaitReady(process, processes.start(process));
    String home = victim.equals("a") ? "A" : "B";
    if (!ArrayProcesses.await(GIVEBACK_DEADLINE, () -> array.owns(victim, home))) {
      throw new TwinspanException(
          "pool "
              + home
              + " was not back at controller "
              + victim
              + " within "
              + GIVEBACK_DEADLINE.toSeconds()
              + " s");
    }
    kill.put("givebackMs", (System.nanoTime() - begun) / 1_000_000);
  }

  private ProgressBar bar(String task) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(input.bytes())
        .setUnit(" MiB", 1 << 20)
        .setStyle(ProgressBarStyle.ASCII)
        .setUpdateIntervalMillis(200)
        .setConsumer(new ConsoleProgressBarConsumer(System.err))
        .build();
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
