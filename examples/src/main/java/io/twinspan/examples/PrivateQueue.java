package io.twinspan.examples;

import io.twinspan.nvme.BrokeredDrive;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Writes and reads a block of a drive through a private queue, as an ordinary user. */
public final class PrivateQueue {
  private static final int NAMESPACE = 1;
  private static final int DEPTH = 8;

  private PrivateQueue() {}

  /** Usage: SOCKET, that of a {@link DriveBroker}. */
  public static void main(String[] args) {
    try (BrokeredDrive drive = BrokeredDrive.connect(Path.of(args[0]));
        DmaMemory memory = DmaMemory.allocate("example", 2 * 4096)) {
      drive.map(memory);
      MemorySegment data = memory.segment();
      data.setString(0, "written through a private queue");
      try (QueuePair<String> queue = drive.createQueuePair(DEPTH, PrivateQueue::completed)) {
        int _ = queue.write(NAMESPACE, 0, 1, data, 0, "write");
        await(queue);
        int _ = queue.read(NAMESPACE, 0, 1, data, 4096, "read");
        await(queue);
      }
      System.out.println("read back: " + data.getString(4096));
    }
  }

  private static void await(QueuePair<String> queue) {
    while (queue.inFlight() > 0) {
      int _ = queue.poll(DEPTH);
    }
  }

  private static void completed(String request, int status) {
    System.out.println(request + ": " + Status.name(status));
  }
}
