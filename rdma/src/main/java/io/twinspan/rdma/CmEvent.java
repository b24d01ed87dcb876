package io.twinspan.rdma;

/**
 * What the connection manager has to say about a queue pair; names of {@code rdma_cm_event_type}.
 *
 * <p>There is no TIMEWAIT_EXIT: nothing of an old connection wanders about, and a queue pair may be
 * connected anew at once.
 */
public enum CmEvent {
  /** The peer wants to connect; {@link QueuePair#peerPrivateData()} is what it says about it. */
  CONNECT_REQUEST,
  /** Connected: sends are taken from now on. */
  ESTABLISHED,
  /**
   * The peer does not want to; {@link QueuePair#peerPrivateData()} may say why. The queue pair is
   * in {@link QpState#INIT} and may ask again.
   */
  REJECTED,
  /** The peer did not answer in time. The queue pair is in {@link QpState#INIT} as after a no. */
  UNREACHABLE,
  /**
   * The connection is over, and everything outstanding was flushed: ended by either side, or failed
   * ({@link QueuePair#lastError()}).
   */
  DISCONNECTED,
  /**
   * The link or its channel is down, and with it the queue pair if it was in use: it is in {@link
   * QpState#ERR}.
   */
  DEVICE_REMOVAL
}
