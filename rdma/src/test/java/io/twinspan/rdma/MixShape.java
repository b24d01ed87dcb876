package io.twinspan.rdma;

import io.twinspan.rdma.ChannelSpec.Direction;
import java.util.List;

/**
 * What the mixer does on a channel: how long messages get, and how the memory that a queue pair
 * offers its partner is cut.
 *
 * <p>Regions of queue pair i lie in slots 4 i and following: receives, cells, stamp, closed. Cells
 * lie with odd gaps in which nothing is ever written; behind them, one place for every receive that
 * a write with immediate may announce.
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

  static final int SLOTS_PER_QUEUE_PAIR = 4;
  static final int RECEIVES = 0;
  static final int CELLS = 1;
  static final int STAMP = 2;
  static final int CLOSED = 3;
  static final int CLOSED_BYTES = 4096;
  static final int GAP = 5;

  /** A stamp stands at the beginning of every line of its region. */
  static final int STAMP_STRIDE = 64;

  private static final int SEGMENT_BYTES = 4 << 20;

  private static final List<MixShape> SHAPES =
      List.of(
          new MixShape(
              512, 300, List.of(8, 8, 64, 100, 112, 113, 256, 1000, 4096), List.of(8, 112, 4096)),
          new MixShape(2048, 1024, List.of(8, 64, 112, 500, 4096, 16384), List.of(64, 4096)),
          new MixShape(
              100_000, 70_000, List.of(65_536, 65_537, 200_000, 300_000), List.of(131_072)));

  /** The channels: one for small, one for longer messages, one for bulk. */
  static ChannelPlan plan() {
    int bytes = SEGMENT_BYTES;
    return new ChannelPlan(
        List.of(
            new ChannelSpec(SMALL, "small", Direction.BOTH, bytes, bytes, 3, 64, 32, 256),
            new ChannelSpec(LONGER, "longer", Direction.BOTH, bytes, bytes, 2, 32, 16, 200),
            new ChannelSpec(BULK, "bulk", Direction.BOTH, bytes, bytes, 1, 16, 8, 0)
                .withPriority(3, 1)));
  }

  static MixShape of(int channel) {
    return SHAPES.get(channel);
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
  int cellsBytes(int receiveDepth) {
    return announcedOffset(receiveDepth);
  }
}
