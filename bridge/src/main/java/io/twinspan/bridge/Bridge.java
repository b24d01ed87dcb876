package io.twinspan.bridge;

import io.twinspan.concurrent.WakeSource;

/**
 * One controller's side of a bridge between two: finds the peer, and tells when it lives and dies.
 *
 * <p>A provider reconnects for ever. Every life of the link has a generation, greater than that of
 * every life either side has been in, and the same at both sides. Passive and single-threaded: one
 * thread calls everything, the {@linkplain #listener listener} included.
 */
public interface Bridge extends AutoCloseable {
  /** Which side this is. */
  Side side();

  /**
   * This side's data window: the same memory for as long as this object lives, whatever becomes of
   * the peer. Only the peer stores beyond its header.
   */
  Window local();

  /** Where the link is. */
  LinkState state();

  /** The present life of the link, or the latest if it is down; 0 before the first. */
  long generation();

  /**
   * Decides who is told about the link's lives; once, before the first {@link #doWork}.
   *
   * @param listener called from {@link #doWork}, {@link #fail} and {@link #close}
   */
  void listener(BridgeListener listener);

  /**
   * Looks for the peer's death first, then for its messages, its birth, and its heartbeat.
   *
   * @param nowNs the time; it never goes back
   * @return how much was done
   */
  int doWork(long nowNs);

  /** When {@link #doWork} must run again though nothing wakes it, in its time. */
  long nextDeadlineNs();

  /** What becomes readable when the peer rings, dies, or wants to connect. */
  WakeSource wakeSource();

  /**
   * Ends this life of the link because the peer can't be trusted or is taken for dead. The listener
   * is told before this returns. Does nothing if the link is not up.
   *
   * @param kind what it comes under
   * @param detail a sentence for people
   */
  void fail(LinkDown.Kind kind, String detail);

  /** Says goodbye to the peer and gives everything back. */
  @Override
  void close();
}
