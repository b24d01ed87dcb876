package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.Affinity;
import io.twinspan.linux.TwinspanException;
import io.twinspan.perf.PerfOptions;
import io.twinspan.perf.PerfResult;
import io.twinspan.perf.PerfTest;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan perf}. */
@Command(
    name = "perf",
    description = {
      "Measure the link between two processes, and the machine's own limit in the same run.",
      "Latency is one way, of reads and atomics the whole; the limit is a bare word in memory sent"
          + " to and fro, with --wait adaptive between threads that sleep and are woken.",
      "Bandwidth is in 10^6 bytes per second; the limit is MemorySegment.copy over the same"
          + " buffers.",
      "isolation is a send_lat whose other channel is full of 1 MiB writes: p99 counts, and the"
          + " limit is 3 times that without the flood, plus a copy of 64 KiB."
    },
    mixinStandardHelpOptions = true)
final class PerfCommand implements Callable<Integer> {
  /** Who copies. */
  enum Engine {
    INLINE,
    WORKER
  }

  /** How the sides wait when there is nothing to do. */
  enum Wait {
    SPIN,
    ADAPTIVE
  }

  /** One side here, and the other one somewhere else. */
  static final class Half {
    @Option(
        names = "--listen",
        paramLabel = "PATH",
        description = "Be only the side that waits at this socket, and prints nothing.")
    private @Nullable Path listen;

    @Option(
        names = "--connect",
        paramLabel = "PATH",
        description = "Be only the side that connects to this socket, leads, and prints.")
    private @Nullable Path connect;

    Half() {}
  }

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @Parameters(
      index = "0",
      paramLabel = "TEST",
      description = "{send,write,write_imm,read,atomic}_lat or _bw, as in perftest; or isolation.")
  private String test = "";

  @ArgGroup private @Nullable Half half;

  @Option(
      names = "--size",
      paramLabel = "BYTES",
      description =
          "Length of a message. Default: 64, write_lat and atomics 8, bandwidth tests 64KiB.")
  private @Nullable String size;

  @Option(
      names = "--iterations",
      paramLabel = "N",
      description = "Round trips or messages that are measured. Default: some seconds' worth.")
  private @Nullable Integer iterations;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Round trips or messages before. Default: a fifth of the iterations.")
  private @Nullable Integer warmup;

  @Option(
      names = "--qps",
      paramLabel = "N",
      defaultValue = "1",
      description = "Queue pairs that take turns, 1 to 16. Default: ${DEFAULT-VALUE}.")
  private int queuePairs;

  @Option(
      names = "--inline",
      paramLabel = "BYTES",
      description = "Up to this length messages are posted inline. Default: 112.")
  private @Nullable String inline;

  @Option(
      names = "--depth",
      paramLabel = "N",
      defaultValue = "" + PerfOptions.DEFAULT_DEPTH,
      description =
          "Requests that a queue pair holds: a power of two up to 4096. Default: ${DEFAULT-VALUE}.")
  private int depth;

  @Option(
      names = "--engine",
      paramLabel = "WHICH",
      defaultValue = "inline",
      description =
          "Who copies what is not stored inline at once: inline, the thread that posts, or worker,"
              + " a thread beside it. Default: ${DEFAULT-VALUE}.")
  private Engine engine = Engine.INLINE;

  @Option(
      names = "--wait",
      paramLabel = "HOW",
      defaultValue = "spin",
      description =
          "spin, or adaptive: both sides sleep when there is nothing to do, and latency tests pause"
              + " 1 ms before each message. Default: ${DEFAULT-VALUE}.")
  private Wait wait = Wait.SPIN;

  @Option(
      names = "--rotate",
      paramLabel = "BYTES",
      description =
          "Use so much memory on each side in turn instead of one buffer that stays in the cache.")
  private @Nullable String rotate;

  @Option(
      names = "--crc",
      description =
          "Check everything from end to end with a CRC-32C; a request is complete when the peer has"
              + " checked it.")
  private boolean crc;

  @Option(
      names = "--cpu",
      paramLabel = "A,B",
      split = ",",
      description =
          "Processors of the listening and the connecting side, -1 for any. Default: two"
              + " different ones, if there are two.")
  private @Nullable List<Integer> cpus;

  PerfCommand() {}

  @Override
  public Integer call() {
    PerfOptions options;
    List<Integer> pinned;
    try {
      options = options();
      pinned = processors();
    } catch (TwinspanException e) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
    Optional<PerfResult> result = measure(new PerfProcesses(options, pinned));
    result.ifPresent(this::print);
    return CommandLine.ExitCode.OK;
  }

  private Optional<PerfResult> measure(PerfProcesses processes) {
    Half one = half;
    if (one != null && one.listen != null) {
      processes.listen(one.listen);
      return Optional.empty();
    }
    if (one != null && one.connect != null) {
      return Optional.of(processes.connect(one.connect));
    }
    return Optional.of(processes.both());
  }

  private PerfOptions options() {
    PerfTest which = PerfTest.of(test);
    int sizeBytes =
        size == null ? PerfOptions.defaultSizeBytes(which) : bytes(size, "the size of a message");
    boolean adaptive = wait == Wait.ADAPTIVE;
    int measured =
        iterations == null ? PerfOptions.defaultIterations(which, sizeBytes, adaptive) : iterations;
    return new PerfOptions(
        which,
        sizeBytes,
        measured,
        warmup == null ? PerfOptions.defaultWarmup(measured, sizeBytes) : warmup,
        queuePairs,
        inline == null ? PerfOptions.DEFAULT_INLINE_BYTES : bytes(inline, "an inline message"),
        depth,
        engine == Engine.WORKER,
        adaptive,
        rotate == null ? 0 : Sizes.parse(rotate),
        crc);
  }

  private static int bytes(String text, String what) {
    long bytes = Sizes.parse(text);
    if (bytes > PerfOptions.MAX_SIZE_BYTES) {
      throw new TwinspanException(
          what + " is at most " + Sizes.format(PerfOptions.MAX_SIZE_BYTES) + ", not " + text);
    }
    return (int) bytes;
  }

  /** The processors of the listening and the connecting side. */
  private List<Integer> processors() {
    List<Integer> allowed = Affinity.allowed();
    List<Integer> chosen = cpus;
    if (chosen == null) {
      return allowed.size() < 2 ? List.of(-1, -1) : allowed.subList(0, 2);
    }
    if (chosen.size() != 2) {
      throw new TwinspanException("--cpu takes two processors, such as 0,1");
    }
    for (int cpu : chosen) {
      if (cpu != -1 && !allowed.contains(cpu)) {
        throw new TwinspanException(
            "this process may not run on processor " + cpu + ", only on " + allowed);
      }
    }
    return chosen;
  }

  private void print(PerfResult result) {
    PrintWriter out = spec.commandLine().getOut();
    if (json.isOn()) {
      JsonOption.print(out, json(result));
      return;
    }
    boolean latency = result.test().isLatency();
    out.printf(Locale.ROOT, "%s, %s%n", result.test().label(), Sizes.format(result.sizeBytes()));
    out.printf(
        Locale.ROOT,
        "latency    %s  p50 %.3f  p99 %.3f  p99.9 %.3f  max %.1f us%n",
        how(result.test()),
        result.p50Us(),
        result.p99Us(),
        result.p999Us(),
        result.maxUs());
    out.printf(
        Locale.ROOT,
        "rate       %.1f MB/s  %.0f %s/s%n",
        result.megabytesPerSecond(),
        result.messagesPerSecond(),
        latency ? "round trips" : "messages");
    Optional<PerfResult.Idle> idle = result.idle();
    if (idle.isPresent()) {
      out.printf(
          Locale.ROOT,
          "idle       one way  p50 %.3f  p99 %.3f us; a copy of 64KiB %.3f us%n",
          idle.get().p50Us(),
          idle.get().p99Us(),
          idle.get().copyUs());
    }
    out.printf(Locale.ROOT, limitLine(result), result.limit(), result.ratioToLimit());
    out.flush();
  }

  private static String limitLine(PerfResult result) {
    if (result.idle().isPresent()) {
      return "limit      p99 %.3f us, 3 x idle and a copy: %.2f times as long%n";
    }
    return result.test().isLatency()
        ? "limit      bare ping-pong p50 %.3f us: %.2f times as long%n"
        : "limit      MemorySegment.copy %.1f MB/s: %.3f of it%n";
  }

  private static String how(PerfTest test) {
    if (!test.isLatency()) {
      return "post to completion";
    }
    return test.isOneWay() ? "one way" : "round trip";
  }

  private static ObjectNode json(PerfResult result) {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("test", result.test().label())
            .put("size", result.sizeBytes())
            .put("p50Us", result.p50Us())
            .put("p99Us", result.p99Us())
            .put("p999Us", result.p999Us())
            .put("maxUs", result.maxUs())
            .put("megabytesPerSecond", result.megabytesPerSecond())
            .put("messagesPerSecond", result.messagesPerSecond())
            .put("limit", result.limit())
            .put("ratioToLimit", result.ratioToLimit());
    result
        .idle()
        .ifPresent(idle ->
            json.put("idleP50Us", idle.p50Us())
                .put("idleP99Us", idle.p99Us())
                .put("copyUs", idle.copyUs()));
    return json;
  }
}
