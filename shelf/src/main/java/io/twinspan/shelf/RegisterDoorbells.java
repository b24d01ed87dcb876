package io.twinspan.shelf;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.nvme.ControllerRegisters;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Doorbells close together (DSTRD 0), which the client writes by messages: each of them wakes the
 * drive, and costs a round trip. To be spared them the client may leave the values in shadow
 * doorbells, and read in event indexes at which value it is to write the register all the same (NVM
 * Express 1.4, sections 5.7 and 7.13). Both are pages of the client's memory.
 *
 * <p>A drive that is awake looks at the shadows by itself: it keeps the event index just behind the
 * value that it saw last, where the client comes to only after a whole round. The index of a tail
 * moves once in half a round, as its cache line is the client's next miss. A drive that is about to
 * sleep puts it on the value that it saw last, so that the next one passes it.
 */
final class RegisterDoorbells implements Doorbells {
  private static final int STRIDE_BYTES = 4;

  private final MemorySegment registers;
  private final long tailOffset;
  private final long headOffset;

  /** Where the values are: the registers, or the client's shadows of them. */
  private MemorySegment values;

  private @Nullable MemorySegment events;
  private int tailEvent;

  /**
   * The doorbells of one queue pair.
   *
   * @param registers all doorbells, as BAR0 has them from 0x1000 on
   * @param queueId of the pair
   */
  RegisterDoorbells(MemorySegment registers, int queueId) {
    this.registers = registers;
    values = registers;
    tailOffset = ControllerRegisters.sqTailDoorbell(queueId, 0) - ControllerRegisters.DOORBELLS;
    headOffset = tailOffset + STRIDE_BYTES;
  }

  /**
   * Looks at shadows from now on, or at the registers again.
   *
   * @param shadows a page, in the order of the registers; or null
   * @param eventIndexes likewise
   */
  void shadow(@Nullable MemorySegment shadows, @Nullable MemorySegment eventIndexes) {
    values = shadows == null ? registers : shadows;
    events = eventIndexes;
    tailEvent = 0;
  }

  @Override
  public int sqTail() {
    return SharedMemory.getIntAcquire(values, tailOffset);
  }

  @Override
  public int cqHead() {
    return SharedMemory.getIntAcquire(values, headOffset);
  }

  @Override
  public void beginSubmissions() {
    SharedMemory.setIntRelease(registers, tailOffset, 0);
    tailEvent = 0;
  }

  @Override
  public void beginCompletions() {
    SharedMemory.setIntRelease(registers, headOffset, 0);
  }

  @Override
  public void sawTail(int tail, int entries) {
    MemorySegment page = events;
    if (page != null) {
      int ahead = tail - tailEvent;
      if (2 * (ahead <= 0 ? ahead + entries : ahead) >= entries) {
        tailEvent = before(tail, entries);
        SharedMemory.setIntRelease(page, tailOffset, tailEvent);
      }
    }
  }

  /** Nobody need be woken by it: a drive that has no room for completions does not sleep long. */
  @Override
  public void sawHead(int head, int entries) {
    MemorySegment page = events;
    if (page != null) {
      SharedMemory.setIntRelease(page, headOffset, before(head, entries));
    }
  }

  @Override
  public void sleeping(boolean sleeping, int tail, int entries) {
    MemorySegment page = events;
    if (page != null) {
      tailEvent = sleeping ? tail : before(tail, entries);
      try {
        SharedMemory.setIntRelease(page, tailOffset, tailEvent);
      } catch (InternalError e) {
        // The JVM's answer to SIGBUS. Whoever has cut that memory is noticed by the next round.
      }
      SharedMemory.fullFence();
    }
  }

  /** A client that could say so would have pages. */
  @Override
  public boolean takesInterrupt() {
    return true;
  }

  @Override
  public void clear() {
    SharedMemory.setIntRelease(registers, tailOffset, 0);
    SharedMemory.setIntRelease(registers, headOffset, 0);
  }

  private static int before(int index, int entries) {
    return index == 0 ? entries - 1 : index - 1;
  }
}
