package io.twinspan.benchmarks;

import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import io.twinspan.shelf.MediumKind;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One 4 KiB command from submission to completion, at a drive of the shelf in the same JVM: with
 * {@code -prof gc} the bytes that driver and drive together allocate for it, which are to be 0.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx256m", "--enable-native-access=ALL-UNNAMED"})
public class DriveBenchmark {
  private static final int BLOCK_BYTES = 4096;
  private static final long DRIVE_BYTES = 64L << 20;
  private static final int NSID = 1;
  private static final int BLOCKS = (int) (DRIVE_BYTES / 2 / BLOCK_BYTES);

  /** Where the drive keeps its bytes. */
  @Param({"NULL", "MEMORY", "FILE"})
  public MediumKind medium = MediumKind.NULL;

  private final DmaMemory memory = DmaMemory.allocate("benchmark", BLOCK_BYTES);
  private final CompletionHandler<DriveBenchmark> handler = DriveBenchmark::completed;
  private Path folder = Path.of("");
  private AutoCloseable shelf = () -> {};
  private AutoCloseable drive = () -> {};
  private QueuePair<DriveBenchmark> queue;
  private int block;
  private int status;
  private boolean done;

  /** For JMH. */
  @SuppressWarnings("NullAway.Init") // the queue is there when setUp has run
  public DriveBenchmark() {}

  /** Starts the drive and brings it up. */
  @Setup
  public void setUp() throws IOException {
    folder = Files.createTempDirectory("twinspan-benchmark");
    ShelfOptions options =
        new ShelfOptions(folder, folder, 1, DRIVE_BYTES, List.of("a"), "BENCH").withMedium(medium);
    shelf = new Shelf(options).start();
    NvmeController controller =
        NvmeTarget.openController(
            NvmeTarget.VFIO_USER + options.socket(0, "a"), NvmeOptions.DEFAULTS);
    drive = controller;
    controller.map(memory);
    queue = controller.createQueuePair(1, handler);
  }

  /** Stops it. */
  @TearDown
  public void tearDown() throws Exception {
    queue.close();
    drive.close();
    shelf.close();
    memory.close();
    try (var files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  /** A read. */
  @Benchmark
  public int read() {
    next();
    return await(queue.read(NSID, block, 1, memory.segment(), 0, this));
  }

  /** A write. */
  @Benchmark
  public int write() {
    next();
    return await(queue.write(NSID, block, 1, memory.segment(), 0, this));
  }

  private void next() {
    block = block + 1 == BLOCKS ? 0 : block + 1;
    done = false;
  }

  private int await(int submitted) {
    while (submitted == Status.SUCCESS && !done) {
      var _ = queue.poll(1);
    }
    if (submitted != Status.SUCCESS || status != Status.SUCCESS) {
      throw new IllegalStateException(Status.name(submitted | status));
    }
    return status;
  }

  private void completed(int ended) {
    status = ended;
    done = true;
  }
}
