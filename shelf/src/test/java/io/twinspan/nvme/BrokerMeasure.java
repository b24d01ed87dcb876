package io.twinspan.nvme;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.twinspan.linux.Affinity;
import io.twinspan.shelf.MediumKind;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Measures what the broker costs, with the shelf in a process of its own; not a test.
 *
 * <pre>
 *   speed ROUNDS              commands a second, own queue pair and one from the broker in turns
 *   deaths KILLS LOAD [plain] how long after SIGKILL the memory of a busy process is unmapped, beside
 *                             so many processes that only burn time
 * </pre>
 */
final class BrokerMeasure {
  private static final long DRIVE_BYTES = 64 << 20;
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final int CLIENTS_AT_A_TIME = 6;
  private static final long ROUND_NS = 1_000_000_000;
  private static final int BLOCKS = 4096;
  private static final int BLOCK = 4096;

  private BrokerMeasure() {}

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "shelf" -> serve(Path.of(arguments[1]), MediumKind.valueOf(arguments[2]));
      case "client" -> stayBusy(Path.of(arguments[1]), Long.parseLong(arguments[2]));
      case "speed" -> measureSpeed(Integer.parseInt(arguments[1]));
      case "burn" -> burn();
      case "deaths" ->
          measureDeaths(
              Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]), arguments.length > 3);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static ShelfOptions options(Path directory, MediumKind medium) {
    return new ShelfOptions(directory, directory, 1, DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST")
        .withMedium(medium);
  }

  private static void serve(Path directory, MediumKind medium) throws IOException {
    try (Shelf _ = new Shelf(options(directory, medium)).start()) {
      while (System.in.read() >= 0) {
        // until the input ends
      }
    }
  }

  private static Process java(int cpu, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    if (cpu >= 0) {
      command.addAll(List.of("taskset", "-c", Integer.toString(cpu)));
    }
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            arguments[0].equals("client") ? "-XX:TieredStopAtLevel=1" : "-XX:+TieredCompilation",
            "-cp",
            System.getProperty("java.class.path"),
            BrokerMeasure.class.getName()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
  }

  private static NvmeController open(Path directory, boolean plain) {
    Path socket = options(directory, MediumKind.NULL).socket(0, "a");
    PciDevice device = VfioUserDevice.connect(socket, PATIENCE);
    NvmeOptions defaults = NvmeOptions.DEFAULTS;
    NvmeOptions many =
        new NvmeOptions(
            defaults.clock(),
            defaults.adminTimeout(),
            defaults.ioTimeout(),
            defaults.shutdownTimeout(),
            15,
            false,
            defaults.background());
    return NvmeController.open(plain ? new PlainDevice(device) : device, many);
  }

  private static void measureSpeed(int rounds) throws Exception {
    for (MediumKind medium : List.of(MediumKind.NULL, MediumKind.MEMORY)) {
      Path directory = Files.createTempDirectory("broker-measure");
      Process shelf = java(1, "shelf", directory.toString(), medium.name());
      try (NvmeController own = open(directory, false);
          Broker _ = Broker.start(own, directory.resolve("broker"), BrokerOptions.DEFAULTS);
          BrokeredDrive lent = BrokeredDrive.connect(directory.resolve("broker"))) {
        Affinity.pin(0);
        for (int depth : new int[] {1, 32}) {
          List<Double> ownRates = new ArrayList<>();
          List<Double> lentRates = new ArrayList<>();
          for (int i = -2; i < rounds; i++) {
            double ownRate = rate(own, depth);
            double lentRate = rate(lent, depth);
            if (i >= 0) { // the first ones are for the compiler
              ownRates.add(ownRate);
              lentRates.add(lentRate);
            }
          }
          System.out.printf(
              "%s depth %d: own %s, lent (direct %s) %s; ratio of medians %.2f%n",
              medium,
              depth,
              spread(ownRates),
              lent.isDirect(),
              spread(lentRates),
              median(lentRates) / median(ownRates));
        }
      } finally {
        shelf.destroyForcibly();
        clean(directory);
      }
    }
  }

  private static double rate(QueueOwner owner, int depth) {
    long[] answered = {0, 0};
    try (DmaMemory memory = DmaMemory.allocate("measure", (long) depth * BLOCK)) {
      owner.map(memory);
      try (QueuePair<Integer> queue =
          owner.createQueuePair(
              depth,
              (slot, status) -> {
                answered[0]++;
                answered[1] |= status;
              })) {
        long startNs = System.nanoTime();
        long nowNs = startNs;
        long submitted = 0;
        while (nowNs - startNs < ROUND_NS) {
          for (int i = 0; i < 64; i++) {
            while (submitted - answered[0] < depth) {
              long at = submitted % depth * BLOCK;
              long lba = submitted * 7919 % BLOCKS;
              if (queue.read(1, lba, 1, memory.segment(), at, 0) != Status.SUCCESS) {
                throw new IllegalStateException("not submitted");
              }
              submitted++;
            }
            var _ = queue.poll(depth);
          }
          nowNs = System.nanoTime();
        }
        double rate = answered[0] * 1e9 / (nowNs - startNs);
        while (answered[0] < submitted) {
          var _ = queue.poll(depth);
        }
        if (answered[1] != 0) {
          throw new IllegalStateException("status " + answered[1]);
        }
        return rate;
      } finally {
        owner.unmap(memory);
      }
    }
  }

  private static void measureDeaths(int kills, int load, boolean plain) throws Exception {
    Path directory = Files.createTempDirectory("broker-measure");
    Process shelf = java(-1, "shelf", directory.toString(), "MEMORY");
    Path socket = directory.resolve("broker");
    List<Long> untilEof = new ArrayList<>();
    List<Long> untilGivenBack = new ArrayList<>();
    List<Process> burners = new ArrayList<>();
    for (int i = 0; i < load; i++) {
      burners.add(java(-1, "burn"));
    }
    try (NvmeController drive = open(directory, plain);
        Broker broker =
            Broker.start(drive, socket, BrokerOptions.DEFAULTS.withLimits(1, 128, 64 << 20))) {
      while (untilGivenBack.size() < kills) {
        List<Process> batch = new ArrayList<>();
        for (int i = 0; i < CLIENTS_AT_A_TIME; i++) {
          batch.add(java(-1, "client", socket.toString(), Integer.toString(i * 256)));
        }
        for (Process each : batch) {
          expect(each.inputReader(UTF_8), "ready");
        }
        for (Process each : batch) {
          kill(each, broker, untilEof, untilGivenBack);
        }
      }
    } finally {
      burners.forEach(Process::destroyForcibly);
      shelf.destroyForcibly();
      clean(directory);
    }
    System.out.printf(
        "%d kills, %s, beside %d%n", untilGivenBack.size(), plain ? "mediated" : "direct", load);
    System.out.println("until the kernel closed its sockets, us: " + percentiles(untilEof));
    System.out.println("until its memory was unmapped, us:       " + percentiles(untilGivenBack));
  }

  private static void kill(
      Process process, Broker broker, List<Long> untilEof, List<Long> untilGivenBack)
      throws Exception {
    BufferedReader told = process.inputReader(UTF_8);
    process.getOutputStream().write('\n');
    process.getOutputStream().flush();
    expect(told, "busy");
    int before = broker.processes();
    AtomicLong eofNs = new AtomicLong();
    Thread watcher =
        Thread.ofPlatform()
            .start(() -> {
              try {
                while (told.readLine() != null) {
                  // only the end counts
                }
              } catch (IOException e) {
                // the end, too
              }
              eofNs.set(System.nanoTime());
            });
    long killedNs = System.nanoTime();
    var _ = process.toHandle().destroyForcibly(); // else its output would be closed here
    while (broker.processes() == before) {
      LockSupport.parkNanos(50_000);
    }
    untilGivenBack.add((System.nanoTime() - killedNs) / 1_000);
    watcher.join();
    untilEof.add((eofNs.get() - killedNs) / 1_000);
  }

  private static void expect(BufferedReader told, String line) throws IOException {
    String got = told.readLine();
    if (!line.equals(got)) {
      throw new IOException(got + " instead of " + line);
    }
  }

  /** Burns time until the input ends. */
  private static void burn() throws IOException {
    var _ =
        Thread.ofPlatform()
            .daemon()
            .start(() -> {
              while (true) {
                Thread.onSpinWait();
              }
            });
    while (System.in.read() >= 0) {
      // until the input ends
    }
  }

  /** Connects, waits for a line, then writes and reads for ever. */
  private static void stayBusy(Path socket, long lba) throws IOException {
    try (BrokeredDrive drive = BrokeredDrive.connect(socket);
        DmaMemory memory = DmaMemory.allocate("busy", 8 << 20)) {
      drive.map(memory);
      memory.segment().fill((byte) 1);
      long[] answered = {0};
      QueuePair<Integer> queue = drive.createQueuePair(32, (request, status) -> answered[0]++);
      System.out.println("ready");
      var _ = System.in.read();
      boolean told = false;
      for (long i = 0; drive.checkPresence(); i++) {
        long at = i % 32 * 16 * BLOCK;
        var _ = queue.write(1, lba + i % 8 * 16, 16, memory.segment(), at, 0);
        var _ = queue.poll(32);
        if (!told && answered[0] > 200) {
          told = true;
          System.out.println("busy");
        }
      }
    }
  }

  private static String spread(List<Double> rates) {
    double[] sorted = rates.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return "%.0f k/s (%.0f to %.0f)"
        .formatted(median(rates) / 1e3, sorted[0] / 1e3, sorted[sorted.length - 1] / 1e3);
  }

  private static double median(List<Double> rates) {
    double[] sorted = rates.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return sorted[sorted.length / 2];
  }

  private static String percentiles(List<Long> us) {
    long[] sorted = us.stream().mapToLong(Long::longValue).sorted().toArray();
    return "p50 %d, p90 %d, p99 %d, max %d"
        .formatted(
            sorted[sorted.length / 2],
            sorted[sorted.length * 9 / 10],
            sorted[sorted.length * 99 / 100],
            sorted[sorted.length - 1]);
  }

  private static void clean(Path directory) throws IOException {
    try (var files = Files.list(directory)) {
      files.forEach(file -> file.toFile().delete());
    }
    Files.delete(directory);
  }
}
