package io.twinspan.rdma;

import io.twinspan.bridge.LinkDown;

/**
 * Is told about a link and its connections, on the thread that calls {@link Link#doWork}, in the
 * order in which things happened.
 *
 * <p>When the link comes up: {@link #linkUp}, PORT_ACTIVE. When it goes down: everything
 * outstanding is flushed to the completion queues; what was to be told of its queue pairs is
 * dropped; PORT_ERR, DEVICE_REMOVAL for every queue pair that was in use, by channel and index,
 * {@link #linkDown}. When a connection fails: what is outstanding is flushed; QP_FATAL or
 * QP_ACCESS_ERR if that was the reason; DISCONNECTED.
 */
public interface LinkListener {
  /**
   * The link is up. No region of a former life is registered and no queue pair is connected.
   *
   * @param generation the number of this life, the same at both sides
   */
  void linkUp(long generation);

  /**
   * The link is down. All regions in the window are deregistered, and everything outstanding has
   * been flushed to the completion queues, before this is called.
   */
  void linkDown(LinkDown why);

  /**
   * A channel has failed, here or at the peer, while the link is up. Its regions are deregistered,
   * and everything outstanding on it was flushed, before this is called.
   */
  default void channelDown(Channel channel, String reason) {}

  /**
   * A channel that had failed can be used again: nothing is registered on it, and no queue pair
   * connected. Not called for the first life, which begins with the link.
   *
   * @param life how often it was re-established since the link came up, the same at both sides
   */
  default void channelUp(Channel channel, long life) {}

  /** Something happened to a queue pair's connection. */
  default void connectionEvent(QueuePair queuePair, CmEvent event) {}

  /** Something happened that is no completion and not about a connection. */
  default void asyncEvent(AsyncEvent event) {}
}
