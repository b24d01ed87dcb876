package io.twinspan.bridge;

/**
 * How a life of the link ended.
 *
 * @param generation the life that ended
 * @param kind what showed it
 * @param detail a sentence for people
 * @param lastSignOfLifeNs when the peer was last seen alive, in the time given to {@link
 *     Bridge#doWork}
 * @param detectedNs when the end was noticed, in the same time
 */
public record LinkDown(
    long generation, Kind kind, String detail, long lastSignOfLifeNs, long detectedNs) {
  /** What showed that the link is down. */
  public enum Kind {
    /** The kernel told in shared memory that the peer's process is dying; see {@link ShmBridge}. */
    DEATH,
    /** The connection ended without a word: the peer's process has died, or was told we had. */
    EOF,
    /** The peer's heartbeat stood still for too long. */
    HEARTBEAT,
    /** The peer, or this side, ended the link in good order. */
    GOODBYE,
    /** The peer said something that makes no sense, or a layer above found such a thing. */
    PROTOCOL
  }
}
