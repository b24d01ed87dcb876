package io.twinspan.rdma;

import org.jspecify.annotations.Nullable;

/**
 * Something that happened without being the completion of a request ({@code ibv_async_event}).
 *
 * @param type what
 * @param channel where, or of whose shared receive queue; null if it is about the whole link
 * @param queuePair which queue pair; null if it is not about one
 */
public record AsyncEvent(Type type, @Nullable Channel channel, @Nullable QueuePair queuePair) {
  /** Kinds of events; names of {@code ibv_event_type}, of those that can happen here. */
  public enum Type {
    /**
     * The queue pair failed for a reason that no request of this side shows: the peer broke the
     * protocol.
     */
    QP_FATAL,
    /** The peer's request named memory of this side that it has no right to. */
    QP_ACCESS_ERR,
    /** The first message of the peer has come since the queue pair was connected. */
    COMM_EST,
    /** What was begun before the queue pair went to {@link QpState#SQD} is complete. */
    SQ_DRAINED,
    /**
     * A queue pair in {@link QpState#ERR} takes no more from its shared receive queue: all it will
     * ever complete is in the completion queue.
     */
    QP_LAST_WQE_REACHED,
    /** The shared receive queue holds fewer receives than its limit. */
    SRQ_LIMIT_REACHED,
    /** The link is up. */
    PORT_ACTIVE,
    /** The link is down. */
    PORT_ERR,
    /**
     * {@link Link#doWork} threw, and its state can't be trusted any more: close the link, and make
     * a new one.
     */
    DEVICE_FATAL
  }
}
