package io.twinspan.systemtests;

import io.twinspan.nvme.Broker;
import io.twinspan.nvme.BrokerOptions;
import io.twinspan.nvme.BrokeredDrive;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.VfioPciDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * {@code lend}s the NVMe controller of a virtual machine until a file named done is there, or
 * {@code borrow}s it: writes 256 KiB from a block on, whose bytes depend on their place there
 * alone, reads and compares, so many times.
 */
final class BorrowedDriveMain {
  private static final int DEPTH = 16;
  private static final int BLOCK = 512;
  private static final int BLOCKS_PER_COMMAND = 32;
  private static final int BYTES = DEPTH * BLOCKS_PER_COMMAND * BLOCK;

  private static int answered;
  private static int failed;

  private BorrowedDriveMain() {}

  /**
   * Lends or borrows.
   *
   * @param args lend, PCI address, socket; or borrow, socket, first block, rounds
   */
  public static void main(String[] args) throws InterruptedException {
    if (args[0].equals("lend")) {
      lend(args[1], Path.of(args[2]));
    } else {
      borrow(Path.of(args[1]), Long.parseLong(args[2]), Integer.parseInt(args[3]));
    }
  }

  private static void lend(String address, Path socket) throws InterruptedException {
    BrokerOptions options = BrokerOptions.DEFAULTS.withSocketMode(0666);
    VfioPciDevice device = VfioPciDevice.open(address);
    try (NvmeController drive = NvmeController.open(device, NvmeOptions.DEFAULTS);
        Broker broker = Broker.start(drive, socket, options)) {
      while (!Files.exists(Path.of("done"))) {
        Thread.sleep(50);
      }
      System.out.println("at the end " + broker.processes() + drive.queuePairs());
    }
  }

  private static void borrow(Path socket, long lba, int rounds) {
    try (BrokeredDrive drive = BrokeredDrive.connect(socket);
        DmaMemory memory = DmaMemory.allocate("borrowed", 2 * BYTES)) {
      drive.map(memory);
      MemorySegment data = memory.segment();
      for (int i = 0; i < BYTES; i += Integer.BYTES) {
        data.set(ValueLayout.JAVA_INT, i, i * 31 + 7);
      }
      MemorySegment written = data.asSlice(0, BYTES);
      try (QueuePair<Integer> queue =
          drive.createQueuePair(DEPTH, (request, status) -> completed(status))) {
        for (int round = 0; round < rounds; round++) {
          data.asSlice(BYTES, BYTES).fill((byte) 0);
          transfer(queue, data, lba, 0, true);
          transfer(queue, data, lba, BYTES, false);
          if (failed > 0 || written.mismatch(data.asSlice(BYTES, BYTES)) >= 0) {
            throw new AssertionError("round %d: %d failed".formatted(round, failed));
          }
          if (round == 0) {
            System.out.println("busy at " + lba);
          }
        }
      }
      System.out.println("sound at " + lba);
    }
  }

  private static void transfer(
      QueuePair<Integer> queue, MemorySegment data, long lba, int offset, boolean write) {
    answered = 0;
    for (int i = 0; i < DEPTH; i++) {
      long block = lba + (long) i * BLOCKS_PER_COMMAND;
      long at = offset + (long) i * BLOCKS_PER_COMMAND * BLOCK;
      int status =
          write
              ? queue.write(1, block, BLOCKS_PER_COMMAND, data, at, i)
              : queue.read(1, block, BLOCKS_PER_COMMAND, data, at, i);
      if (status != Status.SUCCESS) {
        throw new AssertionError("not submitted: " + Status.name(status));
      }
    }
    while (answered < DEPTH) {
      if (queue.poll(DEPTH) == 0) {
        Thread.onSpinWait();
      }
    }
  }

  private static void completed(int status) {
    answered++;
    failed += status == Status.SUCCESS ? 0 : 1;
  }
}
