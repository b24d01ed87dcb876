package io.twinspan.rdma;

import java.time.Duration;
import java.util.Set;

/**
 * What may be set of a queue pair ({@code ibv_qp_attr}), as far as it means something on this link.
 *
 * <p>Without a meaning, and therefore missing: timeout and retry_cnt (nothing is lost on the way,
 * and a peer that does not answer is found by the link's heartbeat), path MTU, packet sequence
 * numbers, address vectors, partition keys, alternate paths, and the partner's number, which
 * follows from the channel and the index.
 *
 * @param rnrRetry how often a send tries again for which the partner has no receive, 0 to 6; {@link
 *     #RNR_FOR_EVER} is without end
 * @param minRnrTimer how long the <em>partner</em> waits between its tries when this side has no
 *     receive, in whole microseconds, more than zero and at most {@link #MAX_RNR_TIMER}; a partner
 *     with n retries gives up after n times as long
 * @param maxRdAtomic how many reads and atomic operations this side has outstanding at most, 0 to
 *     {@link #MAX_RD_ATOMIC}; the partner's {@code maxDestRdAtomic} bounds it too
 * @param maxDestRdAtomic how many of the partner's it takes, 0 to {@link #MAX_RD_ATOMIC}
 * @param remoteAccess what the partner may do with regions of the queue pair's protection domain
 *     over this queue pair ({@code qp_access_flags}): of {@link Access#REMOTE_WRITE}, {@link
 *     Access#REMOTE_READ} and {@link Access#REMOTE_ATOMIC}; a region must grant it as well
 */
public record QpAttributes(
    int rnrRetry,
    Duration minRnrTimer,
    int maxRdAtomic,
    int maxDestRdAtomic,
    Set<Access> remoteAccess) {
  /** The retry count that stands for trying without end. */
  public static final int RNR_FOR_EVER = 7;

  /** The most reads and atomic operations that may be outstanding. */
  public static final int MAX_RD_ATOMIC = ChannelLayout.MAX_RD_ATOMIC;

  /** The longest time between two tries; what verbs can say at most. */
  public static final Duration MAX_RNR_TIMER = Duration.ofNanos(655_360_000);

  /** Tries for ever, at most 10 ms apart; everything may be outstanding and is allowed. */
  public static final QpAttributes DEFAULTS =
      new QpAttributes(
          RNR_FOR_EVER,
          Duration.ofMillis(10),
          MAX_RD_ATOMIC,
          MAX_RD_ATOMIC,
          Set.of(Access.REMOTE_WRITE, Access.REMOTE_READ, Access.REMOTE_ATOMIC));

  /** Checks the values. */
  public QpAttributes {
    remoteAccess = Set.copyOf(remoteAccess);
    boolean sound =
        rnrRetry >= 0
            && rnrRetry <= RNR_FOR_EVER
            && minRnrTimer.toNanos() >= 1000
            && minRnrTimer.compareTo(MAX_RNR_TIMER) <= 0
            && maxRdAtomic >= 0
            && maxRdAtomic <= MAX_RD_ATOMIC
            && maxDestRdAtomic >= 0
            && maxDestRdAtomic <= MAX_RD_ATOMIC
            && !remoteAccess.contains(Access.LOCAL_WRITE);
    if (!sound) {
      throw new IllegalArgumentException(
          "queue pair attributes: rnr retry %d, rnr timer %s, reads and atomics %d and %d, access %s"
              .formatted(rnrRetry, minRnrTimer, maxRdAtomic, maxDestRdAtomic, remoteAccess));
    }
  }

  /** The same with another retry count. */
  public QpAttributes withRnrRetry(int count) {
    return new QpAttributes(count, minRnrTimer, maxRdAtomic, maxDestRdAtomic, remoteAccess);
  }

  /** The same with another time between the partner's tries. */
  public QpAttributes withMinRnrTimer(Duration timer) {
    return new QpAttributes(rnrRetry, timer, maxRdAtomic, maxDestRdAtomic, remoteAccess);
  }

  /** The same with other limits of outstanding reads and atomic operations. */
  public QpAttributes withReadsAndAtomics(int own, int partners) {
    return new QpAttributes(rnrRetry, minRnrTimer, own, partners, remoteAccess);
  }

  /** The same with other rights of the partner. */
  public QpAttributes withRemoteAccess(Access... allowed) {
    return new QpAttributes(rnrRetry, minRnrTimer, maxRdAtomic, maxDestRdAtomic, Set.of(allowed));
  }

  int accessBits() {
    return Access.bits(remoteAccess.toArray(Access[]::new));
  }

  /** Whether it differs only in what the partner was not told when the connection was made. */
  boolean isLocalChangeOf(QpAttributes before) {
    return equals(
        new QpAttributes(
            rnrRetry,
            before.minRnrTimer,
            maxRdAtomic,
            before.maxDestRdAtomic,
            before.remoteAccess));
  }
}
