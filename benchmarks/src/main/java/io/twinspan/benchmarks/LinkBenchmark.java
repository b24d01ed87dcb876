package io.twinspan.benchmarks;

import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a request costs the processor: both sides of a link in one thread, so that nothing waits for
 * another core. With {@code -prof gc}: what is allocated per request, which shall be nothing.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx256m", "--enable-native-access=ALL-UNNAMED"})
public class LinkBenchmark {
  private static final int BATCH = 8;
  private static final int SHORT_BYTES = 64;
  private static final int BULK_BYTES = 64 << 10;

  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private LoopedLinks links;

  /** For JMH. */
  @SuppressWarnings("NullAway.Init") // setUp() follows
  public LinkBenchmark() {}

  /** Connects the links. */
  @Setup
  public void setUp() throws IOException {
    links = new LoopedLinks();
  }

  /** Ends them. */
  @TearDown
  public void tearDown() throws IOException {
    links.close();
  }

  /**
   * A message of 64 bytes inline, received, its receive posted again; no completion of the send.
   */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void send64() {
    for (int i = 0; i < BATCH; i++) {
      post(request.send(i).inline(links.a.source, 0, SHORT_BYTES).signaled(false));
    }
    await(BATCH, links.b, true);
  }

  /** A write of 8 bytes inline. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void write8() {
    int rkey = links.a.channel.remoteRegion(0).rkey();
    for (int i = 0; i < BATCH; i++) {
      request.write(i, rkey, 0).inline(links.a.source, 0, 8).signaled(i == BATCH - 1);
      post(request);
    }
    await(1, links.a, false);
  }

  /** A write of 64 KiB by descriptor. */
  @Benchmark
  public void write64K() {
    int rkey = links.a.channel.remoteRegion(0).rkey();
    post(request.write(0, rkey, 0).sge(links.a.sourceKey, 0, BULK_BYTES));
    await(1, links.a, false);
  }

  /** A round of the link with nothing to do. */
  @Benchmark
  public int idleRound() {
    return links.a.link.doWork();
  }

  private void post(WorkRequest what) {
    int result = links.a.queuePair.postSend(what);
    while (result == QueuePair.FULL) {
      links.doWork();
      result = links.a.queuePair.postSend(what);
    }
    if (result != QueuePair.OK) {
      throw new IllegalStateException("a request is refused with " + result);
    }
  }

  private void await(int count, LoopedLinks.Node at, boolean receives) {
    int seen = 0;
    while (seen < count) {
      links.doWork();
      while (at.completions.poll(completion)) {
        if (!completion.isSuccess()) {
          throw new IllegalStateException("a request ended with " + completion.status());
        }
        if (receives) {
          at.receive();
        }
        seen++;
      }
    }
  }
}
