package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;

/** Doorbells in a mapped page, of a drive that never sleeps. */
final class MappedDoorbells implements Doorbells {
  private final MemorySegment page;
  private final long sqTailOffset;
  private final long cqHeadOffset;

  MappedDoorbells(MemorySegment page, long sqTailOffset, long cqHeadOffset) {
    this.page = page;
    this.sqTailOffset = sqTailOffset;
    this.cqHeadOffset = cqHeadOffset;
  }

  @Override
  public void sqTail(int tail) {
    SharedMemory.setIntRelease(page, sqTailOffset, tail);
  }

  @Override
  public void cqHead(int head) {
    SharedMemory.setIntRelease(page, cqHeadOffset, head);
  }

  @Override
  public void interruptArmed(boolean armed) {
    SharedMemory.fullFence();
  }
}
