package io.twinspan.rdma;

import io.twinspan.bridge.Side;

/**
 * What one logical channel gets.
 *
 * @param id from 0, less than {@value ChannelPlan#MAX_CHANNELS}
 * @param name for people; at most 16 ASCII characters
 * @param direction who may send
 * @param segmentBytesA its share of A's window, into which B writes; a multiple of 4096
 * @param segmentBytesB its share of B's window, into which A writes; a multiple of 4096
 * @param queuePairs how many, 1 to 16
 * @param sendDepth how many sends a queue pair holds, a power of two up to 4096
 * @param receiveDepth how many receives a queue pair holds, a power of two up to 4096
 * @param maxInlineBytes how long an inline message may be, up to 65536; each send holds so much
 * @param sharedReceiveDepth how many receives the channel's shared receive queue holds, a power of
 *     two up to 4096; 0 if there is none
 * @param priority 0 (first) to {@value #LOWEST_PRIORITY}: of bulk transfers, those of a lower
 *     number go first
 * @param weight 1 to {@value #MAX_WEIGHT}: among channels of one priority, how much of the bulk
 *     transfers is its share
 * @param crc whether all that it carries is checked from end to end with a CRC-32C: a bit that
 *     flips in the window ends the connection with {@link WorkCompletion#VENDOR_BAD_CRC} at both
 *     sides. Requests are complete only when the peer has checked them
 */
public record ChannelSpec(
    int id,
    String name,
    Direction direction,
    long segmentBytesA,
    long segmentBytesB,
    int queuePairs,
    int sendDepth,
    int receiveDepth,
    int maxInlineBytes,
    int sharedReceiveDepth,
    int priority,
    int weight,
    boolean crc) {
  /** The number of the last priority. */
  public static final int LOWEST_PRIORITY = 7;

  /** The greatest weight. */
  public static final int MAX_WEIGHT = 64;

  /** The priority of a channel for which none is named. */
  public static final int DEFAULT_PRIORITY = 1;

  /** Who may send on a channel. */
  public enum Direction {
    /** Both sides. */
    BOTH,
    /** A sends, B receives. */
    A_TO_B,
    /** B sends, A receives. */
    B_TO_A;

    /** Whether this side may send. */
    public boolean maySend(Side side) {
      return switch (this) {
        case BOTH -> true;
        case A_TO_B -> side == Side.A;
        case B_TO_A -> side == Side.B;
      };
    }
  }

  private static final int PAGE_BYTES = 4096;

  /** Checks the values. */
  public ChannelSpec {
    boolean sound =
        id >= 0
            && id < ChannelPlan.MAX_CHANNELS
            && name.length() <= 16
            && isSegment(segmentBytesA)
            && isSegment(segmentBytesB)
            && queuePairs >= 1
            && queuePairs <= 16
            && isDepth(sendDepth)
            && isDepth(receiveDepth)
            && maxInlineBytes >= 0
            && maxInlineBytes <= 1 << 16
            && (sharedReceiveDepth == 0 || isDepth(sharedReceiveDepth))
            && priority >= 0
            && priority <= LOWEST_PRIORITY
            && weight >= 1
            && weight <= MAX_WEIGHT;
    if (!sound) {
      throw new IllegalArgumentException(
          ("channel %d %s: %s, segments %d and %d, %d queue pairs of %d and %d, inline %d,"
                  + " shared receives %d, priority %d, weight %d, CRC %b")
              .formatted(
                  id,
                  name,
                  direction,
                  segmentBytesA,
                  segmentBytesB,
                  queuePairs,
                  sendDepth,
                  receiveDepth,
                  maxInlineBytes,
                  sharedReceiveDepth,
                  priority,
                  weight,
                  crc));
    }
  }

  /** A channel of {@link #DEFAULT_PRIORITY} and weight 1, without shared receives. */
  public ChannelSpec(
      int id,
      String name,
      Direction direction,
      long segmentBytesA,
      long segmentBytesB,
      int queuePairs,
      int sendDepth,
      int receiveDepth,
      int maxInlineBytes) {
    this(
        id,
        name,
        direction,
        segmentBytesA,
        segmentBytesB,
        queuePairs,
        sendDepth,
        receiveDepth,
        maxInlineBytes,
        0,
        DEFAULT_PRIORITY,
        1,
        false);
  }

  /** A channel for both sides, with segments of 1 MiB, one queue pair, and depths of 256. */
  public static ChannelSpec of(int id, String name) {
    return new ChannelSpec(id, name, Direction.BOTH, 1 << 20, 1 << 20, 1, 256, 256, 256);
  }

  /** The same channel with other segments. */
  public ChannelSpec withSegments(long bytesA, long bytesB) {
    return with(bytesA, bytesB, sharedReceiveDepth, priority, weight, crc);
  }

  /** The same channel with a shared receive queue. */
  public ChannelSpec withSharedReceives(int depth) {
    return with(segmentBytesA, segmentBytesB, depth, priority, weight, crc);
  }

  /** The same channel with another place among the others. */
  public ChannelSpec withPriority(int newPriority, int newWeight) {
    return with(segmentBytesA, segmentBytesB, sharedReceiveDepth, newPriority, newWeight, crc);
  }

  /** The same channel with CRCs, or without. */
  public ChannelSpec withCrc(boolean on) {
    return with(segmentBytesA, segmentBytesB, sharedReceiveDepth, priority, weight, on);
  }

  private ChannelSpec with(
      long bytesA, long bytesB, int sharedDepth, int newPriority, int newWeight, boolean withCrc) {
    return new ChannelSpec(
        id,
        name,
        direction,
        bytesA,
        bytesB,
        queuePairs,
        sendDepth,
        receiveDepth,
        maxInlineBytes,
        sharedDepth,
        newPriority,
        newWeight,
        withCrc);
  }

  /** Its share of a side's window in bytes. */
  public long segmentBytes(Side side) {
    return side == Side.A ? segmentBytesA : segmentBytesB;
  }

  private static boolean isSegment(long bytes) {
    return bytes >= 0 && bytes <= 1L << 36 && bytes % PAGE_BYTES == 0;
  }

  private static boolean isDepth(int depth) {
    return depth >= 1 && depth <= 4096 && Integer.bitCount(depth) == 1;
  }
}
