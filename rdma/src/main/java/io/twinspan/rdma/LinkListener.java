package io.twinspan.rdma;

import io.twinspan.bridge.LinkDown;

/** Is told about a link and its connections, on the thread that calls {@link Link#doWork}. */
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

  /** Something happened to a queue pair's connection. Not called for a link that goes down. */
  default void connectionEvent(QueuePair queuePair, CmEvent event) {}

  /** A shared receive queue has fewer receives left than its {@link SharedReceiveQueue#limit}. */
  default void sharedReceiveLimitReached(SharedReceiveQueue queue) {}
}
