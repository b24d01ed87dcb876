package io.twinspan.benchmarks;

import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.FragmentHandler;
import io.twinspan.linux.Affinity;
import java.util.Locale;
import org.HdrHistogram.Histogram;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Aeron IPC, measured as {@code twinspan perf} measures the link: messages between two pinned
 * threads that spin, one way by the half of a round trip, or as many as go. Its log buffers are
 * files in /dev/shm, as they are between processes; its media driver's thread sleeps meanwhile.
 *
 * <pre>
 * AeronIpc lat|bw SIZE COUNT CPU,CPU     prints: p50Us p99Us, or messages per second
 * </pre>
 */
public final class AeronIpc {
  private static final String CHANNEL = "aeron:ipc?term-length=16m";
  private static final int THERE = 1001;
  private static final int BACK = 1002;
  private static final int FRAGMENTS = 64;
  private static final int SAMPLE_EVERY = 4;

  private AeronIpc() {}

  /** Runs one test. */
  public static void main(String[] args) throws InterruptedException {
    int size = Integer.parseInt(args[1]);
    int count = Integer.parseInt(args[2]);
    String[] cpus = args[3].split(",");
    MediaDriver.Context context =
        new MediaDriver.Context()
            .threadingMode(ThreadingMode.SHARED)
            .sharedIdleStrategy(new BackoffIdleStrategy(1, 1, 1_000_000, 10_000_000))
            .ipcMtuLength(65_504)
            .dirDeleteOnStart(true)
            .dirDeleteOnShutdown(true);
    try (MediaDriver driver = MediaDriver.launchEmbedded(context);
        Aeron aeron =
            Aeron.connect(new Aeron.Context().aeronDirectoryName(driver.aeronDirectoryName()))) {
      boolean latency = args[0].equals("lat");
      Thread peer =
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                Affinity.pin(Integer.parseInt(cpus[0]));
                if (latency) {
                  echo(aeron, size, 2 * count);
                } else {
                  receive(aeron, 2 * count);
                }
              });
      Affinity.pin(Integer.parseInt(cpus[1]));
      if (latency) {
        ping(aeron, size, count);
      } else {
        send(aeron, size, count);
      }
      peer.join();
    }
  }

  private static void ping(Aeron aeron, int size, int count) {
    UnsafeBuffer message = new UnsafeBuffer(new byte[size]);
    Histogram histogram = new Histogram(60_000_000_000L, 3);
    int[] received = new int[1];
    FragmentHandler handler = (buffer, offset, length, header) -> received[0]++;
    try (Subscription from = aeron.addSubscription(CHANNEL, BACK);
        ExclusivePublication to = aeron.addExclusivePublication(CHANNEL, THERE)) {
      awaitConnected(to, from);
      for (int i = 0; i < 2 * count; i++) {
        if (i == count) {
          histogram.reset(); // that was the warm-up
        }
        long fromNs = System.nanoTime();
        offer(to, message, size);
        while (received[0] == i) {
          from.poll(handler, 1);
        }
        if (i % SAMPLE_EVERY == 0) {
          histogram.recordValue(System.nanoTime() - fromNs);
        }
      }
    }
    System.out.printf(
        Locale.ROOT,
        "%.4f %.4f%n",
        histogram.getValueAtPercentile(50) / 2e3,
        histogram.getValueAtPercentile(99) / 2e3);
  }

  private static void echo(Aeron aeron, int size, int count) {
    UnsafeBuffer message = new UnsafeBuffer(new byte[size]);
    int[] received = new int[1];
    FragmentHandler handler = (buffer, offset, length, header) -> received[0]++;
    try (Subscription from = aeron.addSubscription(CHANNEL, THERE);
        ExclusivePublication to = aeron.addExclusivePublication(CHANNEL, BACK)) {
      awaitConnected(to, from);
      for (int i = 0; i < count; i++) {
        while (received[0] == i) {
          from.poll(handler, 1);
        }
        offer(to, message, size);
      }
      while (to.isConnected()) {
        Thread.onSpinWait(); // the last one is not taken from under its receiver
      }
    }
  }

  private static void send(Aeron aeron, int size, int count) {
    UnsafeBuffer message = new UnsafeBuffer(new byte[size]);
    int[] ended = new int[1];
    FragmentHandler handler = (buffer, offset, length, header) -> ended[0]++;
    try (Subscription from = aeron.addSubscription(CHANNEL, BACK);
        ExclusivePublication to = aeron.addExclusivePublication(CHANNEL, THERE)) {
      awaitConnected(to, from);
      long elapsedNs = 0;
      for (int round = 1; round <= 2; round++) { // the first one is the warm-up
        long fromNs = System.nanoTime();
        for (int i = 0; i < count; i++) {
          offer(to, message, size);
        }
        while (ended[0] < round) {
          from.poll(handler, 1);
        }
        elapsedNs = System.nanoTime() - fromNs;
      }
      System.out.printf(Locale.ROOT, "%.0f%n", count * 1e9 / elapsedNs);
    }
  }

  private static void receive(Aeron aeron, int count) {
    UnsafeBuffer message = new UnsafeBuffer(new byte[8]);
    int[] received = new int[1];
    FragmentHandler handler = (buffer, offset, length, header) -> received[0]++;
    try (Subscription from = aeron.addSubscription(CHANNEL, THERE);
        ExclusivePublication to = aeron.addExclusivePublication(CHANNEL, BACK)) {
      awaitConnected(to, from);
      while (received[0] < count / 2) {
        from.poll(handler, FRAGMENTS);
      }
      offer(to, message, 8);
      while (received[0] < count) {
        from.poll(handler, FRAGMENTS);
      }
      offer(to, message, 8);
      while (to.isConnected()) {
        Thread.onSpinWait();
      }
    }
  }

  private static void awaitConnected(ExclusivePublication to, Subscription from) {
    while (!to.isConnected() || !from.isConnected()) {
      Thread.onSpinWait();
    }
  }

  private static void offer(ExclusivePublication to, UnsafeBuffer message, int size) {
    while (to.offer(message, 0, size) < 0) {
      Thread.onSpinWait();
    }
  }
}
