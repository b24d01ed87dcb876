package io.twinspan.rdma;

/**
 * The link seen as a port ({@code ibv_port_attr}). A path MTU, local identifiers, speed and width
 * have no meaning on it and are missing.
 *
 * @param state whether the peer is there
 * @param maxMsgSize how long a message may be, in bytes
 * @param generation the present life of the link, or the latest if it is down; 0 before the first
 */
public record PortAttributes(PortState state, int maxMsgSize, long generation) {
  /** States of a port ({@code ibv_port_state}), of those that can be. */
  public enum PortState {
    /** No peer. */
    DOWN,
    /** The peer is there. */
    ACTIVE
  }
}
