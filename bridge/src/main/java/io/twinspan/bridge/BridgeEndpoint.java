package io.twinspan.bridge;

import java.lang.foreign.MemorySegment;

/**
 * One life of a link, seen from one side.
 *
 * <p>There are two windows per side. The <em>data window</em> belongs to the process and outlives
 * the link. The <em>control window</em> belongs to one life: it begins zeroed, so whatever a peer
 * of a former life still stores goes where nobody looks.
 *
 * <p>Used by the bridge's thread only, except as said.
 */
public interface BridgeEndpoint {
  /** How many scratchpads there are in each direction. */
  int SCRATCHPADS = 8;

  /** The number of this life. */
  long generation();

  /** What the peer calls itself; for people. */
  String peerName();

  /** This side's data window. */
  Window local();

  /** The peer's data window. Store only. */
  Window remote();

  /** This side's control memory above the bridge's own page: the peer stores, this side loads. */
  MemorySegment localControl();

  /** The peer's control memory above the bridge's own page. Store only. */
  MemorySegment remoteControl();

  /**
   * Rings the peer's doorbell if it sleeps or is about to; call after what it shall see is stored.
   * Costs a fence while the peer is awake, and one system call for each of its sleeps.
   */
  void ring();

  /**
   * Loads what the peer has written for us.
   *
   * @param index from 0, less than {@link #SCRATCHPADS}
   */
  long scratchpad(int index);

  /**
   * Writes a word for the peer, with release.
   *
   * @param index from 0, less than {@link #SCRATCHPADS}
   * @param value anything
   */
  void peerScratchpad(int index, long value);
}
