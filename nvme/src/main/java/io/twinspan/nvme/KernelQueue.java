package io.twinspan.nvme;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.TwinspanNvme;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one queue pair of the kernel driver consists of: its queues, which are the kernel's memory,
 * with the pages of its commands behind them, its doorbells and its eventfd.
 */
final class KernelQueue {
  private final TwinspanNvme device;
  private final int entries;
  private final int maxTransferBytes;
  private final @Nullable EventFd event;
  private final TwinspanNvme.Queue queue;
  private final DmaMemory commands;
  private final List<Mapping> mappings = new ArrayList<>();
  private long commandsIova = DmaWindows.UNMAPPED;

  /** Creates the queues, and shows the pages of the commands to the drive. */
  KernelQueue(TwinspanNvme device, int depth, int maxTransferBytes, boolean interrupts) {
    this.device = device;
    this.maxTransferBytes = maxTransferBytes;
    entries = depth + 1;
    event = interrupts ? EventFd.create() : null;
    commands =
        DmaMemory.allocate("nvme-queue", (long) depth * QueueMemory.commandBytes(maxTransferBytes));
    try {
      queue = device.createQueue(entries, event);
    } catch (RuntimeException e) {
      free();
      throw e;
    }
    try {
      commandsIova = device.register(commands.segment());
    } catch (RuntimeException e) {
      discard();
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
    Fd fd = device.fd();
    long sqBytes = QueueMemory.sqBytes(entries);
    long cqBytes = QueueMemory.cqBytes(entries);
    Mapping whole =
        Mapping.joined(
            List.of(
                new Mapping.Part(fd, queue.sqOffset(), sqBytes),
                new Mapping.Part(fd, queue.cqOffset(), cqBytes),
                new Mapping.Part(commands.memfd(), 0, commands.lengthBytes())));
    mappings.add(whole);
    MemorySegment segment = whole.segment();
    return new QueueMemory(segment, commandsIova, entries, maxTransferBytes, this::free);
  }

  Doorbells doorbells() {
    if (queue.doorbellBytes() == 0) {
      return new MediatedDoorbells(device, queue.id());
    }
    Mapping.Protection both = Mapping.Protection.READ_WRITE;
    Mapping page = Mapping.device(device.fd(), queue.doorbellOffset(), queue.doorbellBytes(), both);
    mappings.add(page);
    return new MappedDoorbells(page.segment(), queue.sqDoorbell(), queue.cqDoorbell());
  }

  /**
   * Deletes the queues. When this returns the drive touches no memory for their sake: it has
   * forgotten them, or the driver has taken the memory away from it.
   */
  void delete() {
    var _ = device.deleteQueue(queue.id());
  }

  /** Deletes the queues of a queue pair that was never used, and frees everything. */
  void discard() {
    delete();
    free();
  }

  private void free() {
    mappings.forEach(Mapping::close);
    if (commandsIova != DmaWindows.UNMAPPED) {
      var _ = device.unregister(commandsIova);
    }
    commands.close();
    if (event != null) {
      event.close();
    }
  }
}
