package io.twinspan.rdma;

/**
 * Where queue pairs put what became of their work requests, in order per queue pair.
 *
 * <p>It can't overflow: it has a place for every request its queue pairs hold, and a request's
 * place in its queue pair is free again only when its completion was polled.
 */
public final class CompletionQueue {
  private final WorkCompletion[] ring;
  private final QueuePair[] owners;
  private final int capacity;
  private int reserved;
  private long head;
  private long tail;

  CompletionQueue(int capacity) {
    this.capacity = capacity;
    ring = new WorkCompletion[capacity];
    owners = new QueuePair[capacity];
    for (int i = 0; i < capacity; i++) {
      ring[i] = new WorkCompletion();
    }
  }

  /** How many completions it holds. */
  public int capacity() {
    return capacity;
  }

  /** How many completions wait to be polled. */
  public int size() {
    return (int) (tail - head);
  }

  /**
   * Takes the oldest completion.
   *
   * @param into gets it
   * @return false if there is none
   */
  public boolean poll(WorkCompletion into) {
    if (head == tail) {
      return false;
    }
    int index = (int) (head % capacity);
    into.set(ring[index]);
    owners[index].polled(into.opcode());
    head++;
    return true;
  }

  /** A queue pair says how many completions it may have here at most. */
  void reserve(int count) {
    if (count > capacity - reserved) {
      throw new IllegalArgumentException(
          "a completion queue of %d has no room for %d more than %d"
              .formatted(capacity, count, reserved));
    }
    reserved += count;
  }

  /** The place for one more; the caller fills it. */
  WorkCompletion add(QueuePair owner) {
    if (tail - head == capacity) {
      throw new IllegalStateException("completion queue overflow: a queue pair broke its limit");
    }
    int index = (int) (tail % capacity);
    owners[index] = owner;
    tail++;
    return ring[index];
  }
}
