package io.twinspan.shelf;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.Status;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The doorbells of a controller's queue pairs that were not lent, and the buffers of Doorbell
 * Buffer Config. The drive's agent thread owns it.
 */
final class DoorbellSet {
  private static final int PAGE_BYTES = DataPointer.PAGE_BYTES;

  private final DoorbellKind kind;
  private final MemorySegment memory;
  private final Doorbells[] doorbells = new Doorbells[NvmeController.QUEUE_PAIRS];
  private DmaMap.@Nullable Region shadows;
  private DmaMap.@Nullable Region events;

  /**
   * Doorbells of one client.
   *
   * @param memory {@link NvmeController#doorbellBytes}, shared with it if {@code kind} says so
   */
  DoorbellSet(DoorbellKind kind, MemorySegment memory) {
    this.kind = kind;
    this.memory = memory;
    for (int id = 0; id < doorbells.length; id++) {
      doorbells[id] =
          kind == DoorbellKind.PAGES
              ? new PageDoorbells(new DoorbellPage(memory, (long) id * DoorbellPage.BYTES))
              : new RegisterDoorbells(memory, id);
    }
  }

  /** Those of a queue pair. */
  Doorbells of(int queueId) {
    return doorbells[queueId];
  }

  /**
   * Looks at a client's buffers from now on, for all queue pairs but the admin queues, where every
   * driver writes the registers. What the registers hold is copied there: queues may exist already.
   *
   * @param dma the client's memory
   * @param shadow address of the page of shadow doorbells
   * @param eventIndexes address of the page of event indexes
   * @return a status
   */
  int configure(DmaMap dma, long shadow, long eventIndexes) {
    if (kind == DoorbellKind.PAGES) {
      return Status.INVALID_OPCODE;
    }
    DmaMap.Region readable = dma.find(shadow, PAGE_BYTES, false);
    DmaMap.Region shadowRegion = dma.find(shadow, PAGE_BYTES, true);
    DmaMap.Region eventRegion = dma.find(eventIndexes, PAGE_BYTES, true);
    boolean aligned = ((shadow | eventIndexes) & (PAGE_BYTES - 1)) == 0;
    if (!aligned || readable == null || shadowRegion == null || eventRegion == null) {
      return Status.INVALID_FIELD;
    }
    MemorySegment values =
        shadowRegion.segment().asSlice(shadowRegion.offsetOf(shadow), PAGE_BYTES);
    MemorySegment indexes =
        eventRegion.segment().asSlice(eventRegion.offsetOf(eventIndexes), PAGE_BYTES);
    long first = ControllerRegisters.sqTailDoorbell(1, 0) - ControllerRegisters.DOORBELLS;
    long end =
        ControllerRegisters.sqTailDoorbell(doorbells.length, 0) - ControllerRegisters.DOORBELLS;
    for (long offset = first; offset < end; offset += Integer.BYTES) {
      SharedMemory.setIntRelease(values, offset, SharedMemory.getIntAcquire(memory, offset));
    }
    shadows = shadowRegion;
    events = eventRegion;
    shadow(values, indexes);
    return Status.SUCCESS;
  }

  /** Whether one of the buffers lies in memory that is about to go. */
  boolean buffersLieIn(long address, long lengthBytes) {
    DmaMap.Region values = shadows;
    DmaMap.Region indexes = events;
    return values != null
        && indexes != null
        && (DmaMap.within(values, address, lengthBytes)
            || DmaMap.within(indexes, address, lengthBytes));
  }

  /** Looks at the registers again. */
  void forgetBuffers() {
    if (shadows != null) {
      shadows = null;
      events = null;
      shadow(null, null);
    }
  }

  /** Zeroes the doorbells. */
  void clear() {
    for (Doorbells each : doorbells) {
      each.clear();
    }
  }

  private void shadow(@Nullable MemorySegment values, @Nullable MemorySegment indexes) {
    for (int id = 1; id < doorbells.length; id++) {
      if (doorbells[id] instanceof RegisterDoorbells registers) {
        registers.shadow(values, indexes);
      }
    }
  }
}
