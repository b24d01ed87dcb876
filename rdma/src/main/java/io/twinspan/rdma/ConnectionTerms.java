package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * What a side says about itself when it makes a connection ({@code rdma_conn_param}). The peer's is
 * taken as it is said, brought into range: it binds nobody but the connection's two ends.
 *
 * @param firstReceive the count of the receive that is its first
 * @param rnrTimerUs its {@link QpAttributes#minRnrTimer} in microseconds
 * @param maxDestRdAtomic its {@link QpAttributes#maxDestRdAtomic}
 * @param accessBits its {@link QpAttributes#remoteAccess}
 * @param domain number of the queue pair's protection domain
 * @param endReason at its end why, as {@link ChannelLayout} names it; else 0
 */
record ConnectionTerms(
    long firstReceive,
    int rnrTimerUs,
    int maxDestRdAtomic,
    int accessBits,
    int domain,
    int endReason) {
  static final ConnectionTerms NONE = new ConnectionTerms(0, 0, 0, 0, 0, 0);

  private static final int MAX_RNR_TIMER_US = (int) (QpAttributes.MAX_RNR_TIMER.toNanos() / 1000);

  /** Of an attempt; its first receive is known when it is published. */
  static ConnectionTerms of(QpAttributes attributes, int domain) {
    return new ConnectionTerms(
        0,
        (int) (attributes.minRnrTimer().toNanos() / 1000),
        attributes.maxDestRdAtomic(),
        attributes.accessBits(),
        domain,
        0);
  }

  /** At its end: how many of its receives a side has seen filled. */
  static ConnectionTerms ofEnd(long taken, int reason) {
    return new ConnectionTerms(taken, 0, 0, 0, 0, reason);
  }

  ConnectionTerms withFirstReceive(long first) {
    return new ConnectionTerms(first, rnrTimerUs, maxDestRdAtomic, accessBits, domain, 0);
  }

  static ConnectionTerms read(MemorySegment control, long block) {
    return new ConnectionTerms(
        control.get(JAVA_LONG, block + ChannelLayout.CM_FIRST_RECEIVE),
        Math.clamp(control.get(JAVA_INT, block + ChannelLayout.CM_RNR_TIMER), 1, MAX_RNR_TIMER_US),
        Math.clamp(
            control.get(JAVA_INT, block + ChannelLayout.CM_MAX_DEST_RD_ATOMIC),
            0,
            QpAttributes.MAX_RD_ATOMIC),
        control.get(JAVA_INT, block + ChannelLayout.CM_ACCESS),
        control.get(JAVA_INT, block + ChannelLayout.CM_DOMAIN),
        control.get(JAVA_INT, block + ChannelLayout.CM_END_REASON));
  }

  /** Whether a partner may do that to its regions. */
  boolean allows(Access purpose) {
    return (accessBits & purpose.bit()) != 0;
  }

  void write(MemorySegment control, long block) {
    control.set(JAVA_LONG, block + ChannelLayout.CM_FIRST_RECEIVE, firstReceive);
    control.set(JAVA_INT, block + ChannelLayout.CM_RNR_TIMER, rnrTimerUs);
    control.set(JAVA_INT, block + ChannelLayout.CM_MAX_DEST_RD_ATOMIC, maxDestRdAtomic);
    control.set(JAVA_INT, block + ChannelLayout.CM_ACCESS, accessBits);
    control.set(JAVA_INT, block + ChannelLayout.CM_DOMAIN, domain);
    control.set(JAVA_INT, block + ChannelLayout.CM_END_REASON, endReason);
  }
}
