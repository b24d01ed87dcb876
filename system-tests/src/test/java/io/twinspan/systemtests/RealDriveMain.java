package io.twinspan.systemtests;

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
 * behind in a file what the namespace must hold then, or {@code read}s a namespace and compares it
 * with a file.
 */
final class RealDriveMain implements AutoCloseable {
  private static final int DEPTH = 16;
  private static final int MOST_BLOCKS = 2048;
  private static final int BATCHES = 4;
  private static final int BUFFER_BYTES = 16 << 20;
  private static final long PATIENCE_NS = 60_000_000_000L;

  private final NvmeController controller;
  private final DmaMemory buffer;
  private final MemorySegment memory;
  private final QueuePair<Integer> pair;
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
        case "write" ->
            drive.write(Integer.parseInt(args[2]), Path.of(args[3]), Long.parseLong(args[4]));
        case "read" ->
            drive.read(Integer.parseInt(args[2]), Path.of(args[3]), Long.parseLong(args[4]));
        default -> throw new IllegalArgumentException(args[0]);
      }
      System.out.println(args[0] + " done");
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

  private void completed(Integer request, int status) {
    answered++;
    lastStatus = status;
  }

  private void await(int count) {
    int target = answered + count;
    long deadlineNs = System.nanoTime() + PATIENCE_NS;
    while (answered < target) {
      var _ = pair.poll(DEPTH);
      if (System.nanoTime() - deadlineNs > 0) {
        throw new AssertionError("not answered");
      }
    }
    if (lastStatus != Status.SUCCESS) {
      throw new AssertionError("answered " + Status.name(lastStatus));
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
