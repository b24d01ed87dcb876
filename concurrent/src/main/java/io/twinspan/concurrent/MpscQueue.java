package io.twinspan.concurrent;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A bounded queue from any number of threads to one, without locks and without allocation.
 *
 * <p>Each producer's elements stay in order. A producer that is interrupted between claiming a
 * place and filling it hides later elements until it goes on; nothing is lost.
 *
 * @param <E> what is handed over
 */
public final class MpscQueue<E> {
  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(Object[].class);
  private static final VarHandle CURSOR = MethodHandles.arrayElementVarHandle(long[].class);

  // The cursors lie 128 bytes apart, and so from the array's header, in one array: an object's own
  // fields could share a cache line.
  private static final int TAIL = 16;
  private static final int HEAD = 32;
  private static final int LIMIT = 48;
  private static final int CURSORS = 64;

  private final long[] cursors = new long[CURSORS];
  private final @Nullable Object[] elements;
  private final int mask;

  /**
   * An empty queue.
   *
   * @param capacity how many elements it holds, from 1 to 2^30, rounded up to a power of two
   */
  public MpscQueue(int capacity) {
    if (capacity < 1 || capacity > 1 << 30) {
      throw new IllegalArgumentException("capacity " + capacity);
    }
    int size = capacity == 1 ? 1 : Integer.highestOneBit(capacity - 1) << 1;
    elements = new @Nullable Object[size];
    mask = size - 1;
    cursors[LIMIT] = size;
  }

  /** How many elements it holds when full. */
  public int capacity() {
    return elements.length;
  }

  /**
   * Adds an element at the end; any thread may call this.
   *
   * @return false if the queue is full
   */
  public boolean offer(E element) {
    Objects.requireNonNull(element);
    while (true) {
      long tail = (long) CURSOR.getVolatile(cursors, TAIL);
      // The head is looked up only when the last one seen leaves no room, so that producers rarely
      // touch the consumer's cache line.
      if (tail >= (long) CURSOR.getVolatile(cursors, LIMIT)) {
        long limit = (long) CURSOR.getVolatile(cursors, HEAD) + elements.length;
        if (tail >= limit) {
          return false;
        }
        CURSOR.setVolatile(cursors, LIMIT, limit);
      }
      if (CURSOR.compareAndSet(cursors, TAIL, tail, tail + 1)) {
        ELEMENT.setRelease(elements, (int) tail & mask, (Object) element);
        return true;
      }
    }
  }

  /** Removes the first element, or returns null if there is none; one thread only. */
  @SuppressWarnings("unchecked") // only offer stores elements
  public @Nullable E poll() {
    long head = (long) CURSOR.get(cursors, HEAD);
    int index = (int) head & mask;
    Object element = (@Nullable Object) ELEMENT.getAcquire(elements, index);
    if (element == null) {
      return null;
    }
    ELEMENT.setOpaque(elements, index, (Object) null);
    CURSOR.setRelease(cursors, HEAD, head + 1);
    return (E) element;
  }

  /** How many elements there are about now; any thread may ask. */
  public int size() {
    long head = (long) CURSOR.getVolatile(cursors, HEAD);
    long tail = (long) CURSOR.getVolatile(cursors, TAIL);
    return (int) Math.min(elements.length, Math.max(0, tail - head));
  }
}
