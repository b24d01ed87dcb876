package io.twinspan.controller;

import io.twinspan.array.HostRequest;
import io.twinspan.array.IoBuffers;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A stock of buffers of two sizes, {@value #SMALL_BYTES} bytes and {@link HostRequest#MAX_BYTES},
 * cut from one region of memory. A request that is too large for the small ones, or finds none,
 * takes a large one. Thread-safe and lock-free: two stacks of free buffers.
 */
final class BufferStock implements IoBuffers {
  /** Size of a small buffer. */
  static final int SMALL_BYTES = 4096;

  private static final int SMALL_PER_LARGE = 8;

  private final Stack small;
  private final Stack large;

  /**
   * Cuts a region into buffers.
   *
   * @param memory 4096-byte aligned; at least one buffer of each size must fit
   */
  BufferStock(MemorySegment memory) {
    int unit = HostRequest.MAX_BYTES + SMALL_PER_LARGE * SMALL_BYTES;
    int largeCount = Math.toIntExact(memory.byteSize() / unit);
    if (largeCount == 0) {
      throw new IllegalArgumentException(memory.byteSize() + " bytes are too few for buffers");
    }
    long largeBytes = (long) largeCount * HostRequest.MAX_BYTES;
    large = new Stack(memory.asSlice(0, largeBytes), HostRequest.MAX_BYTES);
    small = new Stack(memory.asSlice(largeBytes), SMALL_BYTES);
  }

  @Override
  public @Nullable MemorySegment acquire(int lengthBytes) {
    if (lengthBytes < 1 || lengthBytes > HostRequest.MAX_BYTES) {
      throw new IllegalArgumentException(
          "a buffer has 1 to " + HostRequest.MAX_BYTES + " bytes, not " + lengthBytes);
    }
    MemorySegment buffer = lengthBytes <= SMALL_BYTES ? small.pop() : null;
    return buffer != null ? buffer : large.pop();
  }

  @Override
  public void release(MemorySegment buffer) {
    (buffer.byteSize() == SMALL_BYTES ? small : large).push(buffer);
  }

  /** Number of buffers that are taken. */
  int inUse() {
    return small.inUse() + large.inUse();
  }

  /**
   * Free buffers of one size: a linked list over indices, its head tagged against reuse between a
   * load and its compare-and-set.
   */
  private static final class Stack {
    private static final int END = -1;
    private static final int TAKEN = -2;

    private final MemorySegment[] buffers;
    private final long base;
    private final int size;
    private final AtomicIntegerArray next;
    private final AtomicLong head = new AtomicLong();
    private final AtomicIntegerArray used = new AtomicIntegerArray(1);

    Stack(MemorySegment memory, int size) {
      this.size = size;
      this.base = memory.address();
      int count = Math.toIntExact(memory.byteSize() / size);
      buffers = new MemorySegment[count];
      next = new AtomicIntegerArray(count);
      for (int i = 0; i < count; i++) {
        buffers[i] = memory.asSlice((long) i * size, size);
        next.set(i, i + 1 < count ? i + 1 : END);
      }
      head.set(count > 0 ? 0 : pack(0, END));
    }

    @Nullable MemorySegment pop() {
      while (true) {
        long seen = head.get();
        int index = (int) seen;
        if (index == END) {
          return null;
        }
        int following = next.get(index);
        if (following != TAKEN && head.compareAndSet(seen, pack(tag(seen) + 1, following))) {
          next.set(index, TAKEN);
          used.incrementAndGet(0);
          return buffers[index];
        }
      }
    }

    void push(MemorySegment buffer) {
      long distance = buffer.address() - base;
      int index = (int) (distance / size);
      if (distance < 0
          || distance % size != 0
          || index >= buffers.length
          || next.get(index) != TAKEN) {
        throw new IllegalStateException("a buffer was released that is not taken");
      }
      used.decrementAndGet(0);
      while (true) {
        long seen = head.get();
        next.set(index, (int) seen);
        if (head.compareAndSet(seen, pack(tag(seen) + 1, index))) {
          return;
        }
      }
    }

    int inUse() {
      return used.get(0);
    }

    private static int tag(long head) {
      return (int) (head >>> 32);
    }

    private static long pack(int tag, int index) {
      return ((long) tag << 32) | (index & 0xffffffffL);
    }
  }
}
