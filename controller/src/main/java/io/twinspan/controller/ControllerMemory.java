package io.twinspan.controller;

import io.twinspan.array.ArrayNode;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.pool.DrivePool;
import java.lang.foreign.MemorySegment;

/**
 * A controller's memory that both drives and link reach, in one piece: commit logs, pools'
 * metadata, scratch, hosts' data.
 */
final class ControllerMemory implements AutoCloseable {
  private static final int PAGE_BYTES = 4096;

  private final DmaMemory memory;
  private final long logBytes;

  ControllerMemory(long logBytes, long bufferBytes) {
    this.logBytes = logBytes;
    memory = DmaMemory.allocate("twinspan-memory", buffersOffset() + bufferBytes);
  }

  DmaMemory dma() {
    return memory;
  }

  MemorySegment log(int pool) {
    return memory.segment().asSlice(pool * logBytes, logBytes);
  }

  MemorySegment metadata(int pool) {
    return memory.segment().asSlice(metadataOffset(pool), DrivePool.MEMORY_BYTES);
  }

  MemorySegment scratch() {
    return memory.segment().asSlice(metadataOffset(ArrayNode.POOLS), ArrayNode.SCRATCH_BYTES);
  }

  MemorySegment buffers() {
    return memory.segment().asSlice(buffersOffset());
  }

  private long metadataOffset(int pool) {
    return ArrayNode.POOLS * logBytes + pages(DrivePool.MEMORY_BYTES) * pool;
  }

  private long buffersOffset() {
    return metadataOffset(ArrayNode.POOLS) + pages(ArrayNode.SCRATCH_BYTES);
  }

  private static long pages(long bytes) {
    return (bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
  }

  @Override
  public void close() {
    memory.close();
  }
}
