package io.twinspan.array;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Lets requests that overlap through in the order of their arrival: readers together, writers
 * alone. Single-threaded.
 */
final class RangeLocks {
  private @Nullable Operation[] held;
  private int heldCount;
  private final OperationQueue waiting = new OperationQueue();
  private final OperationQueue stillWaiting = new OperationQueue();

  RangeLocks(int capacity) {
    held = new Operation[capacity];
  }

  int heldCount() {
    return heldCount;
  }

  /** Whether the operation may begin; if not, it waits here until {@link #next()} returns it. */
  boolean acquire(Operation operation) {
    if (conflictsWithHeld(operation) || conflictsWithAny(waiting, operation)) {
      waiting.add(operation);
      return false;
    }
    hold(operation);
    return true;
  }

  void release(Operation operation) {
    int slot = operation.lockSlot;
    if (slot < 0 || held[slot] != operation) {
      throw new IllegalStateException("operation holds no range");
    }
    operation.lockSlot = -1;
    heldCount--;
    Operation last = Objects.requireNonNull(held[heldCount]);
    held[heldCount] = null;
    if (last != operation) {
      held[slot] = last;
      last.lockSlot = slot;
    }
  }

  /** The next operation that waited and may begin now, or null. Call until null after a release. */
  @Nullable Operation next() {
    Operation granted = null;
    for (Operation next = waiting.poll(); next != null; next = waiting.poll()) {
      if (granted == null && !conflictsWithHeld(next) && !conflictsWithAny(stillWaiting, next)) {
        granted = next;
      } else {
        stillWaiting.add(next);
      }
    }
    stillWaiting.moveTo(waiting);
    if (granted != null) {
      hold(granted);
    }
    return granted;
  }

  /** Takes the oldest one that waits out of here, or null. */
  @Nullable Operation drop() {
    return waiting.poll();
  }

  private void hold(Operation operation) {
    if (heldCount == held.length) {
      // Only when requests of earlier lives of the link are still being ended.
      held = Arrays.copyOf(held, 2 * heldCount);
    }
    operation.lockSlot = heldCount;
    held[heldCount++] = operation;
  }

  private boolean conflictsWithHeld(Operation operation) {
    boolean conflicts = false;
    for (int i = 0; i < heldCount && !conflicts; i++) {
      conflicts = conflict(Objects.requireNonNull(held[i]), operation);
    }
    return conflicts;
  }

  private static boolean conflictsWithAny(OperationQueue queue, Operation operation) {
    Operation other = queue.peek();
    while (other != null && !conflict(other, operation)) {
      other = other.next;
    }
    return other != null;
  }

  private static boolean conflict(Operation left, Operation right) {
    return left.volume == right.volume
        && left.firstBlock < right.endBlock
        && right.firstBlock < left.endBlock
        && (left.exclusive || right.exclusive);
  }
}
