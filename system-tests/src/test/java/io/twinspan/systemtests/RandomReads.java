package io.twinspan.systemtests;

import io.twinspan.linux.Poller;
import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Measures random reads of 4 KiB in a guest, of the drive's first 62 MiB. For one thread. */
final class RandomReads {
  private static final int BLOCK = 4096;
  private static final int BLOCKS = 15_872;
  private static final long PATIENCE_NS = 1_000_000_000L;

  private final int nsid;
  private final int lbaPerBlock;
  private final MemorySegment memory;
  private final long durationNs;
  private final Random random = new Random(1);
  private int answered;
  private int failed;

  /**
   * Nothing is read yet.
   *
   * @param memory that the drive reaches
   * @param milliseconds of each run, after half as much for warming up
   */
  RandomReads(int nsid, int lbaPerBlock, MemorySegment memory, int milliseconds) {
    this.nsid = nsid;
    this.lbaPerBlock = lbaPerBlock;
    this.memory = memory;
    durationNs = milliseconds * 1_000_000L;
  }

  /**
   * Reads with a queue pair of its own, and prints what came of it.
   *
   * @param interrupts whether to sleep until completions come, instead of polling
   */
  void run(
      int depth,
      boolean interrupts,
      Function<CompletionHandler<Integer>, QueuePair<Integer>> queuePairs) {
    try (QueuePair<Integer> queue = queuePairs.apply(this::completed);
        Poller poller = new Poller()) {
      if (interrupts) {
        poller.add(queue.wakeSource().fd(), 0);
      }
      drive(queue, depth, interrupts ? poller : null, durationNs / 2);
      int before = answered;
      long startNs = System.nanoTime();
      drive(queue, depth, interrupts ? poller : null, durationNs);
      double us = (System.nanoTime() - startNs) / 1e3 / (answered - before);
      String how = interrupts ? "by interrupt" : "polled";
      System.out.printf("%s, depth %d: %.1f us per read, %.0f/s%n", how, depth, us, 1e6 / us);
      while (queue.inFlight() > 0) {
        var _ = queue.poll(depth);
      }
    }
    if (failed > 0) {
      throw new AssertionError(failed + " reads failed");
    }
  }

  private void drive(QueuePair<Integer> queue, int depth, @Nullable Poller poller, long forNs) {
    long endNs = System.nanoTime() + forNs;
    do {
      while (queue.inFlight() < depth) {
        long lba = (long) random.nextInt(BLOCKS) * lbaPerBlock;
        long offset = random.nextInt((int) (memory.byteSize() / BLOCK)) * (long) BLOCK;
        if (queue.read(nsid, lba, lbaPerBlock, memory, offset, 0) != Status.SUCCESS) {
          throw new AssertionError("not submitted");
        }
      }
      if (queue.poll(depth) == 0 && poller != null) {
        queue.wakeSource().arm();
        if (queue.poll(depth) == 0) {
          var _ = poller.await(PATIENCE_NS);
        }
        queue.wakeSource().disarm();
      }
    } while (System.nanoTime() - endNs < 0);
  }

  private void completed(Integer request, int status) {
    answered++;
    failed += status == Status.SUCCESS ? 0 : 1;
  }
}
