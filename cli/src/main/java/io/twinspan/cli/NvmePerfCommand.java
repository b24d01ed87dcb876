package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.Affinity;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.NvmeTarget;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code twinspan nvme perf}. */
@Command(
    name = "perf",
    description = {
      "Measure a drive from one thread, and the machine's own limit in the same run.",
      "Latency is from submission to completion. The limit at depth 1 is a bare word sent to the"
          + " drive's processor and back plus one copy of the data, in us; at other depths how many"
          + " such copies one thread makes a second."
    },
    mixinStandardHelpOptions = true)
final class NvmePerfCommand implements Callable<Integer> {
  /** Where the drive comes from. */
  static final class Source {
    @Option(
        names = "--target",
        paramLabel = "DRIVE",
        description = "A drive: " + NvmeTarget.SYNTAX + ".")
    private @Nullable String target;

    @Option(
        names = "--media",
        paramLabel = "null|memory|file",
        description =
            "Start an emulated drive that forgets its data, or keeps it in memory or in a file.")
    private @Nullable String media;

    Source() {}
  }

  private static final List<String> MEDIA = List.of("null", "memory", "file");
  private static final int MAX_DEPTH = 1023;
  private static final int MAX_BLOCK_BYTES = 1 << 20;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @ArgGroup(multiplicity = "1")
  private Source source = new Source();

  @Option(
      names = "--rw",
      paramLabel = "PATTERN",
      defaultValue = "randread",
      description = "randread, randwrite, read or write. Default: ${DEFAULT-VALUE}.")
  private NvmeLoad.Pattern pattern = NvmeLoad.Pattern.RANDREAD;

  @Option(
      names = "--bs",
      paramLabel = "SIZE",
      defaultValue = "4k",
      description = "Data of a command. Default: ${DEFAULT-VALUE}.")
  private String blockSize = "4k";

  @Option(
      names = "--iodepth",
      paramLabel = "N",
      defaultValue = "1",
      description = "Commands in flight, 1 to 1023. Default: ${DEFAULT-VALUE}.")
  private int depth;

  @Option(
      names = "--wait",
      paramLabel = "HOW",
      defaultValue = "spin",
      description =
          "spin: look for completions all the time; interrupt: sleep until the drive tells of one."
              + " Default: ${DEFAULT-VALUE}.")
  private NvmeLoad.Wait wait = NvmeLoad.Wait.SPIN;

  @Option(
      names = "--runtime",
      paramLabel = "SECONDS",
      defaultValue = "5",
      description = "How long to measure, after 3 s of warming up. Default: ${DEFAULT-VALUE}.")
  private int runtime;

  @Option(
      names = "--size",
      paramLabel = "SIZE",
      defaultValue = "256MiB",
      description = "Namespace of a drive that is started. Default: ${DEFAULT-VALUE}.")
  private String size = "256MiB";

  @Option(
      names = "--direct",
      description = "With --media file: past the host's page cache (O_DIRECT).")
  private boolean direct;

  @Option(
      names = "--cpu",
      paramLabel = "A,B",
      split = ",",
      description =
          "Processors of the load and of the drive, -1 for any. Default: two different ones, if"
              + " there are two.")
  private @Nullable List<Integer> cpus;

  NvmePerfCommand() {}

  @Override
  public Integer call() {
    try {
      check();
    } catch (TwinspanException e) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
    JsonNode result = source.media == null ? load(source.target) : withDrive(medium(source.media));
    PrintWriter out = spec.commandLine().getOut();
    if (json.isOn()) {
      JsonOption.print(out, result);
    } else {
      print(out, result);
    }
    return CommandLine.ExitCode.OK;
  }

  private void check() {
    long bytes = Sizes.parse(blockSize);
    if (bytes < 1 || bytes > MAX_BLOCK_BYTES) {
      throw new TwinspanException("--bs is at most 1MiB, not " + blockSize);
    }
    if (depth < 1 || depth > MAX_DEPTH) {
      throw new TwinspanException("--iodepth is 1 to %d, not %d".formatted(MAX_DEPTH, depth));
    }
    if (runtime < 1) {
      throw new TwinspanException("--runtime is at least 1 second, not " + runtime);
    }
    if (source.media != null && !MEDIA.contains(source.media.toLowerCase(Locale.ROOT))) {
      throw new TwinspanException("--media is null, memory or file, not " + source.media);
    }
    var _ = Sizes.parse(size);
    List<Integer> chosen = processors();
    if (chosen.size() != 2) {
      throw new TwinspanException("--cpu takes two processors, such as 0,1");
    }
    List<Integer> allowed = Affinity.allowed();
    for (int cpu : chosen) {
      if (cpu != -1 && !allowed.contains(cpu)) {
        throw new TwinspanException(
            "this process may not run on processor " + cpu + ", only on " + allowed);
      }
    }
  }

  /** The processors of the load and of the drive. */
  private List<Integer> processors() {
    List<Integer> chosen = cpus;
    if (chosen != null) {
      return chosen;
    }
    List<Integer> allowed = Affinity.allowed();
    return allowed.size() < 2 ? List.of(-1, -1) : allowed.subList(0, 2);
  }

  private String medium(String media) {
    return direct && media.equals("file") ? "direct_file" : media;
  }

  /** Measures a drive of its own, which goes afterwards. */
  private JsonNode withDrive(String media) {
    Path folder = temporaryFolder();
    Thread cleaner = Thread.ofPlatform().unstarted(() -> delete(folder));
    Runtime.getRuntime().addShutdownHook(cleaner); // Ctrl-C ends this process here
    long driveBytes = 2 * Sizes.parse(size); // it has two namespaces
    Process drive = start("drive", folder.toString(), media, Long.toString(driveBytes), cpu(1));
    try {
      var _ = expect(drive, NvmePerfProcess.READY);
      return load(NvmeTarget.VFIO_USER + folder.resolve("drive0-a.sock"));
    } finally {
      drive.destroyForcibly().onExit().join();
      delete(folder);
      Runtime.getRuntime().removeShutdownHook(cleaner);
    }
  }

  private JsonNode load(@Nullable String target) {
    Process load =
        start(
            "load",
            String.valueOf(target),
            pattern.label(),
            Long.toString(Sizes.parse(blockSize)),
            Integer.toString(depth),
            Integer.toString(runtime),
            cpu(0),
            cpu(1),
            wait.name());
    try {
      return JsonMapper.shared().readTree(expect(load, "{"));
    } finally {
      load.destroyForcibly().onExit().join();
    }
  }

  private String cpu(int index) {
    return Integer.toString(processors().get(index));
  }

  private static Process start(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(
        System.getProperty(
            "twinspan.java", ProcessHandle.current().info().command().orElse("java")));
    command.addAll(
        List.of(
            "-XX:+UseSerialGC",
            "-Xmx128m",
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("twinspan.classpath", System.getProperty("java.class.path")),
            NvmePerfProcess.class.getName()));
    command.addAll(List.of(arguments));
    try {
      return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    } catch (IOException e) {
      throw new TwinspanException("can't start a process: " + e.getMessage(), e);
    }
  }

  /** Waits for the line that begins with what is expected. */
  private static String expect(Process process, String begin) {
    List<String> lines = new ArrayList<>();
    try {
      BufferedReader reader =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (line.startsWith(begin)) {
          return line;
        }
        if (line.startsWith(NvmePerfProcess.FAILED)) {
          throw new TwinspanException(line.substring(NvmePerfProcess.FAILED.length()));
        }
        lines.add(line);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    throw new TwinspanException(
        "a process ended with status %d: %s"
            .formatted(process.onExit().join().exitValue(), String.join("\n  ", lines)));
  }

  private static void print(PrintWriter out, JsonNode result) {
    boolean latency = result.path("iodepth").asInt(0) == 1;
    out.printf(
        Locale.ROOT,
        "%s, %s, depth %d, %s%n",
        result.path("rw").asString(),
        Sizes.format(result.path("bs").asLong(0)),
        result.path("iodepth").asInt(0),
        result.path("target").asString());
    out.printf(
        Locale.ROOT,
        "latency    p50 %.3f  p99 %.3f  p99.9 %.3f us%n",
        result.path("p50Us").asDouble(0),
        result.path("p99Us").asDouble(0),
        result.path("p999Us").asDouble(0));
    out.printf(
        Locale.ROOT,
        "rate       %.0f IOPS  %.1f MB/s%n",
        result.path("iops").asDouble(0),
        result.path("megabytesPerSecond").asDouble(0));
    out.printf(
        Locale.ROOT,
        latency
            ? "limit      bare round trip and copy %.3f us: %.2f times as long%n"
            : "limit      %.0f copies/s: %.3f of it%n",
        result.path("limit").asDouble(0),
        result.path("ratioToLimit").asDouble(0));
    out.flush();
  }

  private static Path temporaryFolder() {
    try {
      return Files.createTempDirectory("twinspan-nvme"); // 0700
    } catch (IOException e) {
      throw new TwinspanException("can't make a temporary folder: " + e, e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.deleteIfExists(file);
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      return; // a drive that is still ending may have it; an empty folder of /tmp is no harm
    }
  }
}
