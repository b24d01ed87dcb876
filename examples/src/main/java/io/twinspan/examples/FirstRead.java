package io.twinspan.examples;

import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueueOwner;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;

/** Reads the first block of a drive. */
public final class FirstRead {
  private FirstRead() {}

  /** Usage: a drive as {@link NvmeTarget} names it, such as vfio-user:SOCKET. */
  public static void main(String[] args) {
    try (QueueOwner drive = NvmeTarget.open(args[0], NvmeOptions.DEFAULTS);
        DmaMemory memory = DmaMemory.allocate("first-read", 4096)) {
      drive.map(memory);
      try (QueuePair<String> queue = drive.createQueuePair(1, FirstRead::completed)) {
        int _ = queue.read(1, 0, 1, memory.segment(), 0, "block 0");
        while (queue.poll(1) == 0) {}
      }
      System.out.println("begins with: " + memory.segment().getString(0));
    }
  }

  private static void completed(String request, int status) {
    System.out.println(request + ": " + Status.name(status));
  }
}
