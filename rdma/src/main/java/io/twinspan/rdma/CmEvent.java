package io.twinspan.rdma;

/** What the connection manager has to say about a queue pair; names after librdmacm. */
public enum CmEvent {
  /** The peer wants to connect; {@link QueuePair#peerPrivateData()} is what it says about it. */
  CONNECT_REQUEST,
  /** Connected: sends are taken from now on. */
  ESTABLISHED,
  /** The peer does not want to; {@link QueuePair#peerPrivateData()} may say why. */
  REJECTED,
  /** The connection is over, and everything outstanding was flushed. Also after a local failure. */
  DISCONNECTED
}
