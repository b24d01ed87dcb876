package io.twinspan.array;

import java.util.concurrent.TimeUnit;

/**
 * What one controller needs to know about itself and its peer.
 *
 * @param node name of this controller: {@code a} or {@code b}
 * @param arrayId the array's identity; records, hellos and superblocks of another one are refused
 * @param bootId differs in every life of the process
 * @param ownKey this controller's reservation key, not 0
 * @param peerKey the other controller's reservation key, not 0
 * @param logBytes size of the commit log of one pool, a multiple of 4096, the same on both sides
 * @param formatIfBlank write an empty pool where the drives hold none of this array
 * @param startupWaitNs how long a controller that finds no peer waits before it takes the peer's
 *     pools; a fifth of that when the peer's process is known not to run
 * @param givebackDelayNs how long a pool must have been mirrored before its home controller gets it
 *     back; {@link #NO_GIVEBACK} when it does only if somebody says so
 * @param leaseNs longest gap between two turns of the agent after which ownership is still believed
 *     without asking the drives
 * @param controlTimeoutNs how long the other controller may take to answer a control message
 */
public record ArrayConfig(
    String node,
    long arrayId,
    long bootId,
    long ownKey,
    long peerKey,
    long logBytes,
    boolean formatIfBlank,
    long startupWaitNs,
    long givebackDelayNs,
    long leaseNs,
    long controlTimeoutNs) {
  /** A delay that never ends. */
  public static final long NO_GIVEBACK = Long.MAX_VALUE;

  /** Checks every value. */
  public ArrayConfig {
    if (!node.equals("a") && !node.equals("b")) {
      throw new IllegalArgumentException("a controller is called a or b, not " + node);
    }
    if (ownKey == 0 || peerKey == 0 || ownKey == peerKey) {
      throw new IllegalArgumentException("reservation keys must differ and not be 0");
    }
    if (logBytes < CommitLog.MIN_BYTES
        || logBytes > CommitLog.MAX_BYTES
        || logBytes % CommitLog.RING_OFFSET != 0) {
      throw new IllegalArgumentException("log of " + logBytes + " bytes");
    }
    if (startupWaitNs < 0 || givebackDelayNs < 0 || leaseNs <= 0 || controlTimeoutNs <= 0) {
      throw new IllegalArgumentException("negative time-out");
    }
  }

  /** A configuration with the default times: 10 s, 1 s, 250 ms, 5 s; formats blank drives. */
  public static ArrayConfig of(
      String node, long arrayId, long bootId, long ownKey, long peerKey, long logBytes) {
    return new ArrayConfig(
        node,
        arrayId,
        bootId,
        ownKey,
        peerKey,
        logBytes,
        true,
        TimeUnit.SECONDS.toNanos(10),
        TimeUnit.SECONDS.toNanos(1),
        TimeUnit.MILLISECONDS.toNanos(250),
        TimeUnit.SECONDS.toNanos(5));
  }

  /** The other controller's name. */
  public String peer() {
    return node.equals("a") ? "b" : "a";
  }
}
