package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.PciBridge;
import io.twinspan.bridge.PciOptions;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a link costs that is up and has nothing to do: processor time of each side's thread, which
 * waits as a controller's does. Prints what it measures.
 *
 * <ul>
 *   <li>{@code -Dtwinspan.idle=DURATION}: how long, after the compiler had its time
 * </ul>
 */
@Tag("long")
class IdleLinkTest {
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final UUID ARRAY = new UUID(1, 2);
  private static final ChannelPlan PLAN = ChannelPlan.defaults();
  private static final Duration WARMUP = Duration.ofSeconds(5);
  private static final long BAR_BYTES = 128 << 20;

  @TempDir Path directory;

  @Test
  void overSharedMemory() throws Exception {
    Path socket = directory.resolve("link.sock");
    assertThat(
            measure(
                "shared memory",
                side -> new ShmBridge(PLAN.fit(new ShmOptions(side, socket, ARRAY, SECRET)))))
        .isLessThan(1);
  }

  @Test
  void throughABarWithoutInterrupts() throws Exception {
    Path bar = directory.resolve("bar");
    try (RandomAccessFile file = new RandomAccessFile(bar.toFile(), "rw")) {
      file.setLength(BAR_BYTES);
    }
    assertThat(
            measure(
                "BAR, polled",
                side -> new PciBridge(PLAN.fit(new PciOptions(side, bar, ARRAY, SECRET)))))
        .isLessThan(1);
  }

  /** Returns the greater share of a core of the two sides, in percent. */
  private static double measure(String what, Function<Side, Bridge> bridges) throws Exception {
    Duration duration = Duration.parse(System.getProperty("twinspan.idle", "PT20S"));
    try (Running a = new Running(bridges.apply(Side.A));
        Running b = new Running(bridges.apply(Side.B))) {
      Thread.sleep(WARMUP);
      assertThat(a.isUp && b.isUp).isTrue();
      long fromNs = System.nanoTime();
      long fromA = a.cpuNs();
      long fromB = b.cpuNs();
      int roundsA = a.rounds.get();
      Thread.sleep(duration);
      double elapsedNs = System.nanoTime() - fromNs;
      double percentA = 100 * (a.cpuNs() - fromA) / elapsedNs;
      double percentB = 100 * (b.cpuNs() - fromB) / elapsedNs;
      System.out.printf(
          "idle link, %s: %.2f %% and %.2f %% of a core, %.0f rounds a second%n",
          what, percentA, percentB, 1e9 * (a.rounds.get() - roundsA) / elapsedNs);
      return Math.max(percentA, percentB);
    }
  }

  /** A side on a thread of its own. */
  private static final class Running implements Agent, AutoCloseable {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Link link;
    private final AgentRunner runner;
    volatile boolean isUp;
    final AtomicInteger rounds = new AtomicInteger();

    Running(Bridge bridge) {
      link = new Link(bridge, PLAN, SystemClock.INSTANCE);
      runner = new AgentRunner(this, Idle.DEFAULT, link.wakeSources()).start();
    }

    long cpuNs() {
      return THREADS.getThreadCpuTime(runner.thread().threadId());
    }

    @Override
    public int doWork() {
      int _ = rounds.incrementAndGet();
      isUp = link.isUp();
      return link.doWork();
    }

    @Override
    public long nextDeadlineNs() {
      return link.nextDeadlineNs();
    }

    @Override
    public void onClose() {
      link.close();
    }

    @Override
    public String roleName() {
      return "idle";
    }

    @Override
    public void close() {
      runner.close();
    }
  }
}
