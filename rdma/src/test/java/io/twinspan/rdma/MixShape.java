package io.twinspan.rdma;

import io.twinspan.rdma.ChannelSpec.Direction;
import java.util.List;

/**
 * What the mixer does on a channel: how long messages get, and how the memory that a queue pair
 * offers its partner is cut.
 *
 * <p>Regions of queue pair i lie in slots 8 i and following, the channel's shared receives in the
 * last slot. Cells lie with odd gaps in which nothing is ever written; behind them, one place for
 * every receive that a write with immediate may announce.
 *
 * @param messageBytes the longest message, and the length of every receive
 * @param announcedBytes the longest write with immediate
 * @param cells lengths of the cells
 * @param stampBytes length of the stamp region, by queue pair (the last for all others)
 */
record MixShape(
    int messageBytes, int announcedBytes, List<Integer> cells, List<Integer> stampBytes) {
  static final int SMALL = 0;
  static final int LONGER = 1;
  static final int BULK = 2;

  /** Where all queue pairs but the last take from the shared receives. */
  static final int SHARED = 3;

  /** Where several threads submit: see {@link MixCrowd}. */
  static final int CROWD = 4;

  static final int SLOTS_PER_QUEUE_PAIR = 8;
  static final int RECEIVES = 0;

  /** What the partner writes and reads. */
  static final int CELLS = 1;

  static final int STAMP = 2;

  /** Where the partner may do nothing. */
  static final int CLOSED = 3;

  /** Where the results of this side's reads go. */
  static final int RESULTS = 4;

  /** What the partner's atomics act upon. */
  static final int COUNTERS = 5;

  /** A region that the partner invalidates by messages. */
  static final int GUEST = 6;

  static final int KINDS = 7;
  static final int SHARED_SLOT = Channel.REGION_SLOTS - 1;
  static final int CLOSED_BYTES = 4096;
  static final int GAP = 5;
  static final int COUNTER_WORDS = 4;
  static final int RESULT_PLACES = 4;

  /** A stamp stands at the beginning of every line of its region. */
  static final int STAMP_STRIDE = 64;

  private static final int SEGMENT_BYTES = 4 << 20;

  private static final List<MixShape> SHAPES =
      List.of(
          new MixShape(
              512, 300, List.of(8, 8, 64, 100, 112, 113, 256, 1000, 4096), List.of(8, 112, 4096)),
          new MixShape(2048, 1024, List.of(8, 64, 112, 500, 4096, 16384), List.of(64, 4096)),
          new MixShape(
              100_000, 70_000, List.of(65_536, 65_537, 200_000, 300_000), List.of(131_072)),
          new MixShape(600, 300, List.of(8, 64, 500, 2000), List.of(64, 4096)));

  /** The channels: for small, for longer messages, for bulk, with shared receives, for threads. */
  static ChannelPlan plan() {
    int bytes = SEGMENT_BYTES;
    return new ChannelPlan(
        List.of(
            new ChannelSpec(SMALL, "small", Direction.BOTH, bytes, bytes, 3, 64, 32, 256),
            new ChannelSpec(LONGER, "longer", Direction.BOTH, bytes, bytes, 2, 32, 16, 200),
            new ChannelSpec(BULK, "bulk", Direction.BOTH, bytes, bytes, 1, 16, 8, 0)
                .withPriority(3, 1),
            new ChannelSpec(SHARED, "shared", Direction.BOTH, bytes, bytes, 3, 32, 16, 200)
                .withSharedReceives(32),
            new ChannelSpec(CROWD, "crowd", Direction.BOTH, bytes, bytes, 1, 32, 16, 128)));
  }

  static MixShape of(int channel) {
    return SHAPES.get(channel);
  }

  /** Whether a queue pair, at both sides, takes from the channel's shared receives. */
  static boolean sharesReceives(ChannelSpec spec, int queuePair) {
    return spec.id() == SHARED && queuePair < spec.queuePairs() - 1;
  }

  /** How many messages of a queue pair there may be that are not received. */
  static int places(ChannelSpec spec) {
    return Math.max(spec.receiveDepth(), spec.sharedReceiveDepth());
  }

  int stampBytes(int queuePair) {
    return stampBytes.get(Math.min(queuePair, stampBytes.size() - 1));
  }

  int cellOffset(int cell) {
    int offset = GAP;
    for (int i = 0; i < cell; i++) {
      offset += cells.get(i) + GAP;
    }
    return offset;
  }

  int announcedOffset(int place) {
    return cellOffset(cells.size()) + place * (announcedBytes + GAP);
  }

  /** Length of the region that holds the cells and the announced writes. */
  int cellsBytes(ChannelSpec spec) {
    return announcedOffset(places(spec));
  }

  /** Length of a place for the result of a read. */
  int resultBytes() {
    return cells.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }
}
