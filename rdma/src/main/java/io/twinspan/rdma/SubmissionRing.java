package io.twinspan.rdma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The indices of a bounded ring of slots that exist once and for all, from any number of threads to
 * one. A slot's sequence says whose turn it is:
 *
 * <pre>
 *   position            free for the producer that claims this position
 *   position + 1        filled, to be taken
 *   position + size     free for the next round
 * </pre>
 *
 * <p>A producer that is interrupted between claiming and publishing hides later slots until it goes
 * on; nothing is lost.
 */
final class SubmissionRing {
  static final int NONE = -1;

  private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);

  // Cursors 128 bytes apart, and so from the array's header.
  private static final int TAIL = 16;
  private static final int HEAD = 32;
  private static final int CURSORS = 48;

  private final long[] cursors = new long[CURSORS];
  private final long[] sequences;
  private final int mask;

  /**
   * A ring of so many slots, a power of two; of a single one, full and free would look the same.
   */
  SubmissionRing(int size) {
    sequences = new long[size];
    mask = size - 1;
    for (int i = 0; i < size; i++) {
      sequences[i] = i;
    }
  }

  /** Takes a position to be filled, or {@link #NONE} if the ring is full; any thread. */
  long claim() {
    while (true) {
      long tail = (long) LONGS.getVolatile(cursors, TAIL);
      long turn = (long) LONGS.getAcquire(sequences, slot(tail)) - tail;
      if (turn < 0) {
        return NONE;
      }
      if (turn == 0 && LONGS.compareAndSet(cursors, TAIL, tail, tail + 1)) {
        return tail;
      }
    }
  }

  /** The slot of a position. */
  int slot(long position) {
    return (int) position & mask;
  }

  /** The slot of a claimed position is filled. */
  void publish(long position) {
    LONGS.setRelease(sequences, slot(position), position + 1);
  }

  /** The slot that was filled first, or {@link #NONE}; the consumer only. */
  int first() {
    long head = (long) LONGS.get(cursors, HEAD);
    int slot = slot(head);
    return (long) LONGS.getAcquire(sequences, slot) == head + 1 ? slot : NONE;
  }

  /** That slot may be filled again; the consumer only. */
  void release() {
    long head = (long) LONGS.get(cursors, HEAD);
    LONGS.set(cursors, HEAD, head + 1);
    LONGS.setRelease(sequences, slot(head), head + sequences.length);
  }
}
