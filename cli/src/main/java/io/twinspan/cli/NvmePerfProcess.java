package io.twinspan.cli;

import io.twinspan.linux.Affinity;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueueOwner;
import io.twinspan.shelf.MediumKind;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The processes of {@code twinspan nvme perf}: one with a drive of its own, one that loads it. Both
 * are pinned before they start threads, and end when their standard input does.
 */
final class NvmePerfProcess {
  /** The line that a drive prints when it can be used. */
  static final String READY = "ready";

  /** What a line with the reason of a failure begins with. */
  static final String FAILED = "failed: ";

  private static final long WARM_UP_NS = TimeUnit.SECONDS.toNanos(3);
  private static final long SEED = 0x9e3779b97f4a7c15L;

  private NvmePerfProcess() {}

  /**
   * Runs one of the processes.
   *
   * @param args {@code drive}, directory, medium, bytes, processor; or {@code load}, target,
   *     pattern, bytes, depth, seconds, processor, the drive's processor, how to wait
   */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) {
    try {
      if (args[0].equals("drive")) {
        drive(args);
      } else {
        System.out.println(load(args));
      }
    } catch (TwinspanException e) {
      System.out.println(FAILED + e.getMessage());
      System.exit(1);
    }
  }

  private static void drive(String[] args) {
    pin(Integer.parseInt(args[4]));
    Path directory = Path.of(args[1]);
    MediumKind medium = MediumKind.valueOf(args[2].toUpperCase(Locale.ROOT));
    ShelfOptions options =
        new ShelfOptions(directory, directory, 1, Long.parseLong(args[3]), List.of("a"), "PERF")
            .withMedium(medium);
    try (var _ = new Shelf(options).start()) {
      System.out.println(READY);
      awaitEndOfInput();
    }
  }

  private static ObjectNode load(String[] args) {
    NvmeLoad.Pattern pattern = NvmeLoad.Pattern.valueOf(args[2].toUpperCase(Locale.ROOT));
    int sizeBytes = Integer.parseInt(args[3]);
    int depth = Integer.parseInt(args[4]);
    long runtimeNs = TimeUnit.SECONDS.toNanos(Long.parseLong(args[5]));
    NvmeLoad.Wait wait = NvmeLoad.Wait.valueOf(args[8]);
    pin(Integer.parseInt(args[6]));
    double copyNs = NvmeLimit.copyNs(sizeBytes, depth);
    double roundTripNs = NvmeLimit.roundTripNs(Integer.parseInt(args[7]));
    try (QueueOwner drive = NvmeTarget.open(args[1], NvmeOptions.DEFAULTS);
        NvmeLoad load = new NvmeLoad(drive, pattern, sizeBytes, depth, wait, SEED)) {
      var _ = load.run(WARM_UP_NS);
      double rate = load.run(runtimeNs);
      ObjectNode result = JsonNodeFactory.instance.objectNode();
      result
          .put("rw", pattern.label())
          .put("bs", sizeBytes)
          .put("iodepth", depth)
          .put("target", args[1])
          .put("iops", Math.rint(rate))
          .put("megabytesPerSecond", rounded(rate * sizeBytes / 1e6))
          .put("p50Us", load.us(50))
          .put("p99Us", load.us(99))
          .put("p999Us", load.us(99.9));
      if (depth == 1) {
        double limitUs = (roundTripNs + copyNs) / 1e3;
        result.put("limit", rounded(limitUs)).put("ratioToLimit", rounded(load.us(50) / limitUs));
      } else {
        double limit = 1e9 / copyNs;
        result.put("limit", Math.rint(limit)).put("ratioToLimit", rounded(rate / limit));
      }
      return result;
    }
  }

  private static void pin(int cpu) {
    if (cpu >= 0) {
      Affinity.pin(cpu);
    }
  }

  private static double rounded(double value) {
    return Math.rint(value * 1000) / 1000;
  }

  private static void awaitEndOfInput() {
    try {
      while (System.in.read() >= 0) {
        // Nothing is said to it but that it is over.
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
