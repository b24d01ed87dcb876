package io.twinspan.target.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * What the connections of one event loop share: the way back for the array's answers, and the views
 * of its buffers.
 *
 * <p>Answers go onto a lock-free list that holds at most what is in flight. Only the one that finds
 * the list empty wakes the event loop, so a burst of answers costs one wake-up. {@link #completed}
 * is for any thread, the rest is for the event loop's.
 */
final class NbdLoop implements Runnable {
  private static final VarHandle COMPLETED;

  static {
    try {
      COMPLETED =
          MethodHandles.lookup()
              .findVarHandle(NbdLoop.class, "completed", NbdPiece.class)
              .withInvokeExactBehavior();
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /**
   * Enough for every buffer of an array; a stock that makes new segments all the time must not fill
   * the heap.
   */
  private static final int MAX_VIEWS = 8192;

  private final Executor eventLoop;
  private final IdentityHashMap<MemorySegment, DataView> views = new IdentityHashMap<>();
  private final ArrayList<NbdTransmission> touched = new ArrayList<>();

  /**
   * Last completed piece, linked to those before it. Written by any thread, emptied by the event
   * loop.
   */
  private volatile @Nullable NbdPiece completed;

  /**
   * The shared state of one event loop.
   *
   * @param eventLoop runs tasks on the event loop's thread; may refuse them once it has ended
   */
  NbdLoop(Executor eventLoop) {
    this.eventLoop = eventLoop;
  }

  /** Takes an answered piece, from any thread, without blocking. */
  void completed(NbdPiece piece) {
    NbdPiece head = completed;
    while (true) {
      piece.nextCompleted = head;
      if (COMPLETED.compareAndSet(this, head, piece)) {
        break;
      }
      head = completed;
    }
    if (head != null) {
      return; // whoever put the first one there has woken the event loop
    }
    try {
      eventLoop.execute(this);
    } catch (RejectedExecutionException e) {
      run(); // the event loop has ended, and its connections with it: only buffers are left to give
      // back
    }
  }

  /** Brings the answers to their connections, and lets each connection go on once. */
  @Override
  public void run() {
    NbdPiece piece = inOrder((NbdPiece) COMPLETED.getAndSet(this, (NbdPiece) null));
    while (piece != null) {
      NbdPiece next = piece.nextCompleted;
      piece.nextCompleted = null;
      NbdTransmission transmission = piece.transmission;
      if (transmission.completed(piece)) {
        touched.add(transmission);
      }
      piece = next;
    }
    for (int i = 0; i < touched.size(); i++) {
      touched.get(i).settle();
    }
    touched.clear();
  }

  /** The view of a buffer; made at its first use. */
  DataView view(MemorySegment segment) {
    DataView view = views.get(segment);
    if (view == null) {
      if (views.size() == MAX_VIEWS) {
        views.clear();
      }
      view = new DataView(segment);
      views.put(segment, view);
    }
    return view;
  }

  private static @Nullable NbdPiece inOrder(@Nullable NbdPiece newest) {
    NbdPiece oldest = null;
    NbdPiece piece = newest;
    while (piece != null) {
      NbdPiece before = piece.nextCompleted;
      piece.nextCompleted = oldest;
      oldest = piece;
      piece = before;
    }
    return oldest;
  }
}
