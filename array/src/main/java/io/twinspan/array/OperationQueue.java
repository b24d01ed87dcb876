package io.twinspan.array;

import org.jspecify.annotations.Nullable;

/** First in, first out; an operation is in at most one of these at a time. Single-threaded. */
final class OperationQueue {
  private @Nullable Operation head;
  private @Nullable Operation tail;
  private int size;

  int size() {
    return size;
  }

  boolean isEmpty() {
    return head == null;
  }

  @Nullable Operation peek() {
    return head;
  }

  void add(Operation operation) {
    operation.next = null;
    if (tail == null) {
      head = operation;
    } else {
      tail.next = operation;
    }
    tail = operation;
    size++;
  }

  @Nullable Operation poll() {
    Operation first = head;
    if (first != null) {
      head = first.next;
      tail = head == null ? null : tail;
      first.next = null;
      size--;
    }
    return first;
  }

  /** Moves everything to the end of another queue, in order. */
  void moveTo(OperationQueue other) {
    for (Operation operation = poll(); operation != null; operation = poll()) {
      other.add(operation);
    }
  }
}
