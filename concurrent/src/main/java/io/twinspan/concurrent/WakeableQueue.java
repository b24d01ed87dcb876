package io.twinspan.concurrent;

import io.twinspan.linux.Fd;
import org.jspecify.annotations.Nullable;

/**
 * A bounded queue from any number of threads to one agent, which it wakes if it sleeps.
 *
 * @param <E> what is handed over
 */
public final class WakeableQueue<E> implements WakeSource, AutoCloseable {
  private final MpscQueue<E> queue;
  private final WakeSignal signal = new WakeSignal();

  /**
   * An empty queue.
   *
   * @param capacity how many elements it holds, rounded up to a power of two
   */
  public WakeableQueue(int capacity) {
    queue = new MpscQueue<>(capacity);
  }

  /**
   * Adds an element at the end and wakes the agent; any thread may call this.
   *
   * @return false if the queue is full: slow the producer down
   */
  public boolean offer(E element) {
    if (!queue.offer(element)) {
      return false;
    }
    signal.raise();
    return true;
  }

  /** Removes the first element, or returns null if there is none; the agent's thread only. */
  public @Nullable E poll() {
    return queue.poll();
  }

  /** How many elements there are about now; any thread may ask. */
  public int size() {
    return queue.size();
  }

  /** How many elements it holds when full. */
  public int capacity() {
    return queue.capacity();
  }

  @Override
  public void arm() {
    signal.arm();
  }

  @Override
  public void disarm() {
    signal.disarm();
  }

  @Override
  public Fd fd() {
    return signal.fd();
  }

  /** Closes the descriptor; the elements stay, and nobody is woken any more. */
  @Override
  public void close() {
    signal.close();
  }
}
