package io.twinspan.systemtests;

import io.twinspan.linux.Poller;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.KernelController;
import io.twinspan.nvme.NvmeException;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/**
 * A process that uses its share of a drive of the kernel driver, in a guest of {@link
 * KernelDriverTest}. Arguments: what to do, the device, a seed, and for some a number or a file.
 */
final class KernelDriveMain {
  private static final int DEPTH = 32;
  private static final int BLOCK = 4096;
  private static final int BUFFERS = 256;
  private static final int NSID = 1;

  /** What the kernel says of a process of whose memory it counts nothing as locked. */
  private static final String UNLOCKED = "VmLck:\t       0 kB";

  private static final long PATIENCE_NS = 600_000_000_000L;

  /** Blocks that are written for others to read, from the first one. */
  private static final int BLOCKS = 64;

  private final KernelController drive;
  private final DmaMemory memory = DmaMemory.allocate("test", (long) BUFFERS * BLOCK);
  private final int[] counts = new int[2];
  private final int lbaPerBlock;

  private KernelDriveMain(Path device) {
    drive = KernelController.open(device, NvmeOptions.DEFAULTS);
    lbaPerBlock = BLOCK / drive.identifyNamespace(NSID).blockBytes();
    drive.map(memory);
  }

  /** Runs one of the modes. */
  public static void main(String[] arguments) throws IOException {
    KernelDriveMain main = new KernelDriveMain(Path.of(arguments[1]));
    long seed = Long.parseLong(arguments[2]);
    String more = arguments.length > 3 ? arguments[3] : "";
    switch (arguments[0]) {
      case "exercise" -> main.exercise(seed, Path.of(more));
      case "load" -> main.load();
      case "unmap" -> main.unmapInFlight(seed);
      case "wait" -> main.awaitRemoval();
      case "measure" -> main.measure(Integer.parseInt(more));
      default -> throw new IllegalArgumentException(arguments[0]);
    }
    main.drive.close();
    require(Files.readString(Path.of("/proc/self/status")).contains(UNLOCKED), "all is unlocked");
    main.memory.close();
    System.out.println(arguments[0] + " done");
  }

  /** Everything that a process may do, and some of what it may not. */
  private void exercise(long seed, Path image) throws IOException {
    System.out.println("model " + drive.identifyController().modelNumber());
    System.out.println("namespaces " + Arrays.toString(drive.activeNamespaces()));
    refused("create a queue", AdminOpcode.CREATE_IO_SQ, 0);
    refused("delete a queue", AdminOpcode.DELETE_IO_SQ, 1);
    refused("format", 0x80, 0);
    refused("change a feature", AdminOpcode.SET_FEATURES, 6);
    refused("wait for events", AdminOpcode.ASYNC_EVENT_REQUEST, 0);
    byte[] data = new byte[BLOCKS * BLOCK];
    new Random(seed).nextBytes(data);
    MemorySegment.copy(data, 0, memory.segment(), ValueLayout.JAVA_BYTE, 0, data.length);
    for (boolean interrupts : new boolean[] {false, true}) {
      try (QueuePair<Integer> queue = drive.createQueuePair(DEPTH, interrupts, handler())) {
        transfer(queue, true, 0, interrupts);
        memory.segment().asSlice((long) BLOCKS * BLOCK, data.length).fill((byte) 0);
        transfer(queue, false, BLOCKS, interrupts);
        require(queue.flush(NSID, 0) == Status.SUCCESS, "flush");
        await(queue, interrupts);
      }
      long at = (long) BLOCKS * BLOCK;
      long difference =
          MemorySegment.mismatch(
              memory.segment(), 0, data.length, memory.segment(), at, at + data.length);
      require(difference < 0, "what was read is what was written, interrupts " + interrupts);
    }
    Files.write(image, data);
  }

  private void transfer(
      QueuePair<Integer> queue, boolean write, int firstBuffer, boolean interrupts) {
    // Four at a time, so that a PRP list is needed; 16 commands.
    for (int block = 0; block < BLOCKS; block += 4) {
      long lba = (long) block * lbaPerBlock;
      int blocks = 4 * lbaPerBlock;
      long offset = (long) (firstBuffer + block) * BLOCK;
      int status =
          write
              ? queue.write(NSID, lba, blocks, memory.segment(), offset, block)
              : queue.read(NSID, lba, blocks, memory.segment(), offset, block);
      require(status == Status.SUCCESS, "submitted: " + Status.name(status));
    }
    await(queue, interrupts);
    require(counts[1] == 0, "no command failed");
  }

  private void await(QueuePair<Integer> queue, boolean interrupts) {
    try (Poller poller = new Poller()) {
      if (interrupts) {
        poller.add(queue.wakeSource().fd(), 0);
      }
      while (queue.inFlight() > 0) {
        if (interrupts) {
          queue.wakeSource().arm();
          if (queue.poll(DEPTH) == 0) {
            var _ = poller.await(5_000_000_000L);
          }
          queue.wakeSource().disarm();
        }
        var _ = queue.poll(DEPTH);
      }
    }
  }

  private void refused(String what, int opcode, int cdw10) {
    try (Arena arena = Arena.ofConfined()) {
      SubmissionEntry command =
          new SubmissionEntry().wrap(arena.allocate(SubmissionEntry.BYTES, 8), 0);
      var _ = drive.admin(command.clear().command(opcode, 0).nsid(NSID).cdw(10, cdw10));
      throw new AssertionError(what + " was not refused");
    } catch (NvmeException e) {
      require(String.valueOf(e.getMessage()).contains("policy"), what + ": " + e);
      System.out.println("refused: " + what);
    }
  }

  /** Writes and reads until it is killed, or its drive goes. */
  private void load() {
    QueuePair<Integer> queue = drive.createQueuePair(DEPTH, handler());
    Random random = new Random(1);
    boolean told = false;
    while (queue.isAlive()) {
      int block = BLOCKS + random.nextInt(1000);
      long lba = (long) block * lbaPerBlock;
      long offset = (long) random.nextInt(BUFFERS) * BLOCK;
      var _ = queue.read(NSID, lba, lbaPerBlock, memory.segment(), offset, 0);
      var _ = queue.poll(DEPTH);
      if (!told && counts[0] > 100) {
        told = true;
        System.out.println("loaded");
      }
    }
    while (queue.inFlight() > 0) {
      var _ = queue.poll(DEPTH);
    }
    queue.close();
    System.out.println("the drive is " + drive.state());
  }

  /** Takes memory back while the drive reads into it: not a byte may change afterwards. */
  private void unmapInFlight(long seed) {
    Random random = new Random(seed);
    for (int round = 0; round < 20; round++) {
      try (QueuePair<Integer> queue = drive.createQueuePair(DEPTH, handler());
          DmaMemory taken = DmaMemory.allocate("taken", (long) DEPTH * BLOCK * 4)) {
        drive.map(taken);
        for (int i = 0; i < DEPTH; i++) {
          long lba = (long) i * 4 * lbaPerBlock;
          long offset = (long) i * 4 * BLOCK;
          var _ = queue.read(NSID, lba, 4 * lbaPerBlock, taken.segment(), offset, i);
        }
        for (int spin = random.nextInt(2000); spin > 0; spin--) {
          Thread.onSpinWait();
        }
        drive.unmap(taken);
        taken.segment().fill((byte) 0x5A);
        await(queue, false);
        long changed =
            taken
                .segment()
                .elements(ValueLayout.JAVA_BYTE)
                .filter(b -> b.get(ValueLayout.JAVA_BYTE, 0) != 0x5A)
                .count();
        require(changed == 0, "round " + round + ": " + changed + " bytes changed");
      }
    }
    System.out.println("answered " + counts[0] + " failed " + counts[1]);
  }

  private void awaitRemoval() {
    QueuePair<Integer> queue = drive.createQueuePair(DEPTH, handler());
    System.out.println("waits");
    try (Poller poller = new Poller()) {
      poller.add(drive.removalSource().fd(), 0);
      require(poller.await(PATIENCE_NS) == 1, "is told");
    }
    require(!drive.checkPresence(), "the drive has gone");
    var _ = queue.read(NSID, 0, lbaPerBlock, memory.segment(), 0, 0);
    await(queue, false);
    require(counts[1] == 1, "a command is answered");
    queue.close();
    System.out.println("the drive is " + drive.state());
  }

  /** Random reads of 4 KiB, each kind for as many milliseconds as the number says. */
  private void measure(int milliseconds) {
    RandomReads reads = new RandomReads(NSID, lbaPerBlock, memory.segment(), milliseconds);
    for (int depth : new int[] {1, DEPTH}) {
      reads.run(depth, false, handler -> drive.createQueuePair(depth, false, handler));
      reads.run(depth, true, handler -> drive.createQueuePair(depth, true, handler));
    }
  }

  private CompletionHandler<Integer> handler() {
    return (_, status) -> {
      counts[0]++;
      if (status != Status.SUCCESS) {
        counts[1]++;
      }
    };
  }

  private static void require(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }
}
