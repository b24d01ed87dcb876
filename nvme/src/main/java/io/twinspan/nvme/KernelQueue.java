package io.twinspan.nvme;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.TwinspanNvme;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one queue pair of the kernel driver consists of: an open file of its own, its queues, which
 * are the kernel's memory, with the pages of its commands behind them, its doorbells and its
 * eventfd.
 */
final class KernelQueue {
  private final TwinspanNvme device;
  private final int entries;
  private final int maxTransferBytes;
  private final @Nullable EventFd event;
  private final TwinspanNvme.Queue queue;
  private final DmaMemory commands;
  private final List<Mapping> mappings = new ArrayList<>();
  private final long commandsIova;

  /** Creates the queues, and shows the pages of the commands to the drive. */
  KernelQueue(TwinspanNvme drive, int depth, int maxTransferBytes, boolean interrupts) {
    device = drive.openAnother();
    this.maxTransferBytes = maxTransferBytes;
    entries = depth + 1;
    event = interrupts ? EventFd.create() : null;
    commands =
        DmaMemory.allocate("nvme-queue", (long) depth * QueueMemory.commandBytes(maxTransferBytes));
    try {
      queue = device.createQueue(entries, event);
      commandsIova = device.register(commands.segment());
    } catch (RuntimeException e) {
      free();
      throw e;
    }
  }

  int id() {
    return queue.id();
  }

  @Nullable EventFd event() {
    return event;
  }

  QueueMemory memory() {
    int offset = TwinspanNvme.SQ_OFFSET;
    Mapping whole =
        Mapping.joined(
            List.of(
                new Mapping.Part(device.fd(), offset, queue.bytes() - offset),
                new Mapping.Part(commands.memfd(), 0, commands.lengthBytes())));
    mappings.add(whole);
    MemorySegment segment = whole.segment();
    return new QueueMemory(segment, commandsIova, entries, maxTransferBytes, this::free);
  }

  Doorbells doorbells() {
    if (!queue.direct()) {
      return new MediatedDoorbells(device);
    }
    Mapping.Protection both = Mapping.Protection.READ_WRITE;
    Mapping page = Mapping.device(device.fd(), 0, TwinspanNvme.SQ_OFFSET, both);
    mappings.add(page);
    return new MappedDoorbells(page.segment(), queue.sqDoorbell(), queue.cqDoorbell());
  }

  /** The file, by which alone the driver lets commands of this queue pair be aborted. */
  TwinspanNvme device() {
    return device;
  }

  /**
   * Deletes the queues. When this returns the drive touches no memory for their sake: it has
   * forgotten them, or the driver has taken the memory away from it.
   */
  void delete() {
    var _ = device.deleteQueue();
  }

  /** Deletes the queues of a queue pair that was never used, and frees everything. */
  void discard() {
    delete();
    free();
  }

  private void free() {
    mappings.forEach(Mapping::close);
    device.close();
    commands.close();
    if (event != null) {
      event.close();
    }
  }
}
