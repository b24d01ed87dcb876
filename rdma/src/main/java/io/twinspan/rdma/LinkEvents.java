package io.twinspan.rdma;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * What a link's listener is still to be told, in the order in which it happened. It is told in
 * {@link Link#doWork} only, never inside of a call of its own.
 */
final class LinkEvents {
  /**
   * Exactly one of an asynchronous event, or a connection's with its queue pair and, for some, what
   * the peer gave with it: by the time it is told, the peer may have said something else.
   */
  @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
  private record Pending(
      @Nullable AsyncEvent async,
      @Nullable QueuePair queuePair,
      @Nullable CmEvent connection,
      byte @Nullable [] peerData) {}

  private final ArrayDeque<Pending> pending = new ArrayDeque<>();

  void add(AsyncEvent.Type type, @Nullable Channel channel, @Nullable QueuePair queuePair) {
    pending.add(new Pending(new AsyncEvent(type, channel, queuePair), queuePair, null, null));
  }

  void add(QueuePair queuePair, CmEvent event) {
    pending.add(new Pending(null, queuePair, event, null));
  }

  /** An event with which the peer gave something. */
  void add(QueuePair queuePair, CmEvent event, byte[] peerData) {
    pending.add(new Pending(null, queuePair, event, peerData));
  }

  /** Drops what is about a queue pair that begins anew. */
  void forget(QueuePair queuePair) {
    if (!pending.isEmpty()) {
      pending.removeIf(event -> event.queuePair == queuePair);
    }
  }

  void clear() {
    pending.clear();
  }

  /** Tells all, also what happens while it tells; returns how many. */
  int deliver(@Nullable LinkListener listener) {
    int count = 0;
    for (Pending next = pending.poll(); next != null; next = pending.poll()) {
      count++;
      if (next.queuePair != null && next.peerData != null) {
        next.queuePair.hear(next.peerData);
      }
      if (listener == null) {
        continue;
      }
      if (next.async != null) {
        listener.asyncEvent(next.async);
      } else if (next.queuePair != null && next.connection != null) {
        listener.connectionEvent(next.queuePair, next.connection);
      }
    }
    return count;
  }
}
