package io.twinspan.rdma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * One queue whose completions go to a completion queue: a send queue, a receive queue, or a shared
 * one. Counts what it put there and what was polled, so that its place is taken until then.
 *
 * <p>The link's thread adds; the poller of the completion queue counts what it polled.
 */
final class CompletionSource {
  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);

  /** The poller's count, 128 bytes from whatever other object. */
  private static final int POLLED = 16;

  private final long[] counts = new long[2 * POLLED];

  private final CompletionQueue queue;
  private final int number;
  private final int depth;
  private long added;
  private long seenPolled;

  CompletionSource(CompletionQueue queue, int number, int depth) {
    this.queue = queue;
    this.number = number;
    this.depth = depth;
  }

  /**
   * Whether the queue has no place for one more request.
   *
   * @param outstanding how many are posted and not completed
   */
  boolean isFull(long outstanding) {
    return outstanding + added - seenPolled >= depth && stillFull(outstanding);
  }

  /**
   * Adds a completion.
   *
   * @param flags of {@link WorkCompletion}
   */
  void add(
      long wrId,
      WcStatus status,
      WcOpcode opcode,
      int flags,
      int byteLength,
      int immediate,
      int queuePairNumber) {
    if (isFull(0)) {
      throw new IllegalStateException("completion queue overflow: a queue broke its limit");
    }
    added++;
    boolean notable = status != WcStatus.SUCCESS || (flags & WorkCompletion.SOLICITED) != 0;
    long meta = WorkCompletion.meta(status, opcode, flags, queuePairNumber);
    queue.add(number, wrId, meta, notable, byteLength, immediate);
  }

  /** The poller has taken one. */
  void polled() {
    COUNT.setRelease(counts, POLLED, (long) COUNT.get(counts, POLLED) + 1);
  }

  /** The poller's line is touched only when its last known count leaves no place. */
  private boolean stillFull(long outstanding) {
    seenPolled = (long) COUNT.getAcquire(counts, POLLED);
    return outstanding + added - seenPolled >= depth;
  }
}
