package io.twinspan.systemtests;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.VfioPciDevice;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/**
 * Drives the NVMe controller of a virtual machine through VFIO: {@code write}s patterns and leaves
 * behind in a file what the namespace must hold then, {@code read}s a namespace and compares it
 * with a file, {@code exercise}s queues, interrupts and resets, {@code measure}s random reads, or
 * only {@code open}s it and says what is in the way.
 */
final class RealDriveMain implements AutoCloseable {
  private static final int DEPTH = 16;
  private static final int MOST_BLOCKS = 2048;
  private static final int BATCHES = 4;
  private static final int BUFFER_BYTES = 16 << 20;
  private static final int QUEUE_LOOPS = 100;
  private static final int RESETS = 3;
  private static final int ROUNDS = 300;
  private static final long PATIENCE_NS = 60_000_000_000L;

  private final NvmeController controller;
  private final DmaMemory buffer;
  private final MemorySegment memory;
  private QueuePair<Integer> pair;
  private int blockBytes;
  private int blocks;
  private int answered;
  private int lastStatus;

  private RealDriveMain(String address) {
    controller = NvmeController.open(VfioPciDevice.open(address), NvmeOptions.DEFAULTS);
    buffer = DmaMemory.allocate("real-drive", BUFFER_BYTES);
    memory = buffer.segment();
    controller.map(buffer);
    pair = controller.createQueuePair(DEPTH, this::completed);
  }

  /**
   * Runs one of the commands.
   *
   * @param args command, PCI address, then namespace, file and seed
   */
  public static void main(String[] args) throws IOException {
    try (RealDriveMain drive = new RealDriveMain(args[1])) {
      switch (args[0]) {
        case "open" -> {}
        case "write" ->
            drive.write(Integer.parseInt(args[2]), Path.of(args[3]), Long.parseLong(args[4]));
        case "read" ->
            drive.read(Integer.parseInt(args[2]), Path.of(args[3]), Long.parseLong(args[4]));
        case "exercise" -> drive.exercise();
        case "measure" -> drive.measure(Integer.parseInt(args[2]));
        default -> throw new IllegalArgumentException(args[0]);
      }
      System.out.println(args[0] + " done");
    } catch (TwinspanException e) {
      System.out.println("refused: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    pair.close();
    controller.unmap(buffer);
    controller.close();
    buffer.close();
  }

  /** Requests of every size, from a block to beyond what one command takes, at odd addresses. */
  private void write(int nsid, Path image, long seed) throws IOException {
    learn(nsid);
    byte[] expected = new byte[blocks * blockBytes];
    Random random = new Random(seed);
    for (int lba = 0; lba < blocks; ) { // all of it once, so that nothing old is left
      lba += transfer(nsid, lba, Math.min(blocks - lba, MOST_BLOCKS), expected, random, true);
    }
    for (int i = 0; i < BATCHES; i++) {
      for (int lba = random.nextInt(8); lba < blocks; lba += random.nextInt(500)) {
        int most = Math.min(blocks - lba, random.nextInt(6) == 0 ? MOST_BLOCKS : 40);
        lba += transfer(nsid, lba, 1 + random.nextInt(most), expected, random, true);
      }
    }
    check(pair.flush(nsid, 0));
    await(1);
    Files.write(image, expected);
  }

  private void read(int nsid, Path image, long seed) throws IOException {
    learn(nsid);
    byte[] expected = Files.readAllBytes(image);
    Random random = new Random(seed);
    for (int lba = 0; lba < blocks; ) {
      int most = Math.min(blocks - lba, random.nextBoolean() ? MOST_BLOCKS : 20);
      lba += transfer(nsid, lba, 1 + random.nextInt(most), expected, random, false);
    }
  }

  /** Writes random bytes, and reads them back, or reads only; compares; returns the blocks. */
  private int transfer(
      int nsid, int lba, int count, byte[] expected, Random random, boolean write) {
    int bytes = count * blockBytes;
    int at = lba * blockBytes;
    int from = 4 * random.nextInt(2048);
    int to = BUFFER_BYTES / 2 + 4 * random.nextInt(2048);
    if (write) {
      byte[] data = new byte[bytes];
      random.nextBytes(data);
      System.arraycopy(data, 0, expected, at, bytes);
      MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, from, bytes);
      check(pair.write(nsid, lba, count, memory, from, 0));
      await(1);
    }
    check(pair.read(nsid, lba, count, memory, to, 0));
    await(1);
    MemorySegment wanted = MemorySegment.ofArray(expected).asSlice(at, bytes);
    long mismatch = wanted.mismatch(memory.asSlice(to, bytes));
    if (mismatch >= 0) {
      throw new AssertionError(
          "byte %d of %d blocks at %d of namespace %d, from memory at %d"
              .formatted(mismatch, count, lba, nsid, to));
    }
    return count;
  }

  private void exercise() {
    System.out.println("model " + controller.identifyController().modelNumber());
    int[] namespaces = controller.activeNamespaces();
    System.out.println("namespaces " + namespaces.length);
    for (int i = 0; i < QUEUE_LOOPS; i++) {
      pair.close();
      pair = controller.createQueuePair(1 + i % DEPTH, true, this::completed);
      check(pair.read(namespaces[i % namespaces.length], i, 1, memory, 0, 0));
      await(1);
    }
    System.out.println("queue pairs " + QUEUE_LOOPS);
    round("polling", this::poll);
    try (Poller poller = new Poller()) {
      WakeSource interrupt = pair.wakeSource();
      poller.add(interrupt.fd(), 0);
      round("interrupts", () -> sleep(poller, interrupt));
      poller.remove(interrupt.fd());
    }
    for (int i = 0; i < RESETS; i++) {
      check(pair.read(1, 0, 1, memory, 0, 0));
      controller.reset();
      await(1, Status.GONE, Status.SUCCESS);
      pair.close();
      pair = controller.createQueuePair(DEPTH, this::completed);
      check(pair.read(1, 0, 1, memory, 0, 0));
      await(1);
    }
    System.out.println("resets " + RESETS);
  }

  private void measure(int milliseconds) {
    learn(1);
    pair.close();
    RandomReads reads = new RandomReads(1, 4096 / blockBytes, memory, milliseconds);
    for (int depth : new int[] {1, 32}) {
      reads.run(depth, false, handler -> controller.createQueuePair(depth, false, handler));
      reads.run(depth, true, handler -> controller.createQueuePair(depth, true, handler));
    }
    pair = controller.createQueuePair(DEPTH, this::completed);
  }

  private void round(String name, Runnable waiting) {
    long startNs = System.nanoTime();
    for (int i = 0; i < ROUNDS; i++) {
      check(pair.read(1, i, 1, memory, 0, 0));
      int before = answered;
      long deadlineNs = System.nanoTime() + PATIENCE_NS;
      while (answered == before) {
        waiting.run();
        requireTime(deadlineNs);
      }
    }
    System.out.printf("%s %d us%n", name, (System.nanoTime() - startNs) / 1_000 / ROUNDS);
  }

  private void poll() {
    var _ = pair.poll(DEPTH);
  }

  /** Sleeps until the interrupt comes, and in no other case finds a completion. */
  private void sleep(Poller poller, WakeSource interrupt) {
    interrupt.arm();
    if (pair.poll(DEPTH) == 0) {
      if (poller.await(PATIENCE_NS / 2) == 0) {
        throw new AssertionError("no interrupt came");
      }
    }
    interrupt.disarm();
    poll();
  }

  private void completed(Integer request, int status) {
    answered++;
    lastStatus = status;
  }

  private void await(int count) {
    await(count, Status.SUCCESS, Status.SUCCESS);
  }

  private void await(int count, int status, int orStatus) {
    int target = answered + count;
    long deadlineNs = System.nanoTime() + PATIENCE_NS;
    while (answered < target) {
      poll();
      requireTime(deadlineNs);
    }
    if (lastStatus != status && lastStatus != orStatus) {
      throw new AssertionError("answered " + Status.name(lastStatus));
    }
  }

  private static void requireTime(long deadlineNs) {
    if (System.nanoTime() - deadlineNs > 0) {
      throw new AssertionError("not answered");
    }
  }

  private static void check(int submitted) {
    if (submitted != Status.SUCCESS) {
      throw new AssertionError("not submitted: " + Status.name(submitted));
    }
  }

  private void learn(int nsid) {
    IdentifyNamespace namespace = controller.identifyNamespace(nsid);
    blockBytes = namespace.blockBytes();
    blocks = Math.toIntExact(namespace.sizeBlocks());
  }
}
