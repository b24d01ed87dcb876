package io.twinspan.array;

import java.lang.foreign.MemorySegment;

/**
 * The link to the other controller, as the array's rules see it: messages and one-sided placements
 * on logical channels. The product implements it with RDMA verbs over the emulated link, the
 * simulator with a queue. All calls and callbacks are on the agent thread.
 */
public interface PeerLink {
  /**
   * Logical channels that the array uses; each has memory, rings, counters and a fate of its own.
   */
  enum Lane {
    /**
     * Membership, ownership, configuration: nothing that belongs to a storage request. Messages
     * only.
     */
    MANAGEMENT,
    /**
     * Data of forwarded requests, placed into the peer's landing memory. One channel per direction
     * underneath. Placements only.
     */
    DATA,
    /** Forwarded requests and their replies. Messages only. */
    FORWARD,
    /** The commit log's mirror, placed into the peer's landing memory. Placements only. */
    MIRROR
  }

  /** Longest message in bytes. */
  int MAX_MESSAGE_BYTES = 4032;

  /**
   * Whether the link is up now: from the delivery of {@link Handler#linkUp} to the end of that
   * life. A new life begins for this side only after {@link Handler#linkDown} was delivered; until
   * {@code linkUp} was delivered nothing can be sent or placed in it.
   */
  boolean isUp();

  /**
   * Number of this life of the link: grows with every {@link Handler#linkUp}; both sides see the
   * same number.
   */
  long generation();

  /**
   * This controller's memory into which the peer places on a lane (DATA, MIRROR): same segment for
   * the life of the process; drives can reach it.
   */
  MemorySegment landing(Lane lane);

  /**
   * Lets the peer place into {@code landing(lane)} from now on, for this life of the link. At
   * link-up nothing is granted.
   */
  void grant(Lane lane);

  /**
   * Takes the right back. When this returns, every placement that the peer has been or will be told
   * was successful is visible in {@code landing(lane)}, and no later one will be: the peer's
   * completion fails. Idempotent; works while the link is down.
   */
  void revoke(Lane lane);

  /**
   * Whether the peer lets us place on this lane now. A plain read of shared memory, cheap enough
   * for every request.
   */
  boolean isGranted(Lane lane);

  /**
   * Sends a message; it is copied before this returns. Messages of one lane arrive in order, each
   * once, or the link goes down.
   *
   * @return false when there is no room now, or the link is down: nothing was sent
   */
  boolean send(Lane lane, MemorySegment message, int lengthBytes);

  /**
   * Places {@code lengthBytes} bytes into the peer's landing memory of this lane. Source memory
   * must stay unchanged until {@link Handler#placed}. Placements and messages of different lanes
   * are not ordered; placements of one lane are carried out and completed in order.
   *
   * @param source memory made known to the link beforehand (commit log, I/O buffers, landing
   *     memory)
   * @param token returned with {@link Handler#placed}
   * @return false when there is no room now, or the link is down: nothing was begun
   */
  boolean place(
      Lane lane,
      MemorySegment source,
      long sourceOffset,
      long remoteOffset,
      int lengthBytes,
      long token);

  /**
   * Declares the peer dead (its heartbeat stopped, or it broke the protocol): the link goes down,
   * {@link Handler#linkDown} follows from {@link #poll}.
   */
  void declareDown(String reason);

  /**
   * Whether the peer's process is known to have ended, so that nothing is left of what it held in
   * memory; false when it lives or when nobody can tell. May cost a system call.
   */
  boolean isPeerGone();

  /**
   * Delivers what has happened.
   *
   * @return number of events delivered
   */
  int poll(Handler handler);

  /** What {@link #poll} delivers. */
  interface Handler {
    /** A link was made. */
    void linkUp(long generation);

    /**
     * The link is gone: peer's death, silence, goodbye or breach of the protocol. Everything posted
     * has been answered ({@code placed} with false) before this.
     */
    void linkDown(String reason);

    /**
     * A message came. The segment is valid during the call only; its content is untrusted, but
     * nobody writes to it meanwhile.
     */
    void message(Lane lane, MemorySegment message, int lengthBytes);

    /**
     * A placement is visible in the peer's memory and was so before any {@code revoke} there
     * (true), or may not be (false).
     */
    void placed(Lane lane, long token, boolean success);
  }
}
