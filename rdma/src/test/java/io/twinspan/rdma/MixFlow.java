package io.twinspan.rdma;

/** A queue pair of the mixer with its model; everything on the link's thread. */
interface MixFlow {
  QueuePair qp();

  default Channel channel() {
    return qp().channel();
  }

  /** The link, or only the channel, can be used. */
  void up();

  /** The link, or only the channel, can't be used any more. */
  void down();

  void event(CmEvent event);

  /** What was begun before SQD is complete. */
  default void drained() {}

  /** Contents are not to be believed from now on. */
  void taint();

  void requestCompletion(WorkCompletion wc);

  void receiveCompletion(WorkCompletion wc);

  /** Does a bit; returns how much. */
  int step(long nowNs);

  /** Whether it is connected and not about to end that. */
  boolean isConnected();

  long nextDeadlineNs();
}
