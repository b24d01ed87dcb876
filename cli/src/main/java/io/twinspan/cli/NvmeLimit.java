package io.twinspan.cli;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.Affinity;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** What the machine needs at the least for what a command does, measured without any drive. */
final class NvmeLimit {
  private static final int BATCHES = 400;
  private static final int BATCH = 1000;
  private static final int COPIES = 4000;
  private static final long THERE = 0;
  private static final long BACK = SharedMemory.PADDING_BYTES;
  private static final long END = -1;

  private NvmeLimit() {}

  /**
   * {@return how long a word takes from this thread's processor to another one and back, in ns}
   *
   * @param otherCpu the other one, or -1 for any
   */
  static double roundTripNs(int otherCpu) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment words = arena.allocate(4 * BACK, BACK);
      Thread other = Thread.ofPlatform().daemon().start(() -> echo(words, otherCpu));
      double[] batches = new double[BATCHES];
      long value = 0;
      for (int i = 0; i < BATCHES; i++) {
        long fromNs = System.nanoTime();
        for (int j = 0; j < BATCH; j++) {
          value++;
          SharedMemory.setLongRelease(words, THERE, value);
          while (SharedMemory.getLongAcquire(words, BACK) != value) {
            Thread.onSpinWait();
          }
        }
        batches[i] = (double) (System.nanoTime() - fromNs) / BATCH;
      }
      SharedMemory.setLongRelease(words, THERE, END);
      join(other);
      return middle(batches);
    }
  }

  /**
   * {@return how long the copy of a block of data takes, in ns}
   *
   * @param sizeBytes of a block
   * @param count how many blocks there are, which are copied in turn
   */
  static double copyNs(int sizeBytes, int count) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocate((long) sizeBytes * count, 4096).fill((byte) 1);
      MemorySegment to = arena.allocate((long) sizeBytes * count, 4096).fill((byte) 2);
      int rounds = Math.max(1, COPIES / count);
      double[] batches = new double[BATCHES / 4];
      for (int i = 0; i < batches.length; i++) {
        long fromNs = System.nanoTime();
        for (int j = 0; j < rounds * count; j++) {
          long offset = (long) (j % count) * sizeBytes;
          MemorySegment.copy(from, offset, to, offset, sizeBytes);
        }
        batches[i] = (double) (System.nanoTime() - fromNs) / (rounds * count);
      }
      return middle(batches);
    }
  }

  private static void echo(MemorySegment words, int cpu) {
    if (cpu >= 0) {
      Affinity.pin(cpu);
    }
    long last = 0;
    while (last != END) {
      long value = SharedMemory.getLongAcquire(words, THERE);
      if (value != last) {
        last = value;
        SharedMemory.setLongRelease(words, BACK, value);
      } else {
        Thread.onSpinWait();
      }
    }
  }

  /** The median of the second half, by when all is compiled. */
  private static double middle(double[] batches) {
    double[] late = Arrays.copyOfRange(batches, batches.length / 2, batches.length);
    Arrays.sort(late);
    return late[late.length / 2];
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
