package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * The memory that a queue pair offers its partner, in regions that are taken back in the middle of
 * the traffic and granted anew.
 */
final class MixRegions {
  private static final long MS = 1_000_000;

  /** What is taken back now and then, some of it more often. */
  private static final int[] CHURNED = {
    MixShape.STAMP, MixShape.STAMP, MixShape.CELLS, MixShape.COUNTERS, MixShape.RESULTS
  };

  private final MixSide side;
  private final Channel channel;
  private final int index;
  private final MixShape shape;
  private final Random random;
  private final boolean shares;
  private final MemorySegment[] memory = new MemorySegment[MixShape.KINDS];
  private final @Nullable MemoryRegion[] regions = new @Nullable MemoryRegion[MixShape.KINDS];

  /** By key of a stamp region that was taken back: the least stamp that was then visible. */
  private final Map<Long, Long> visible = new HashMap<>();

  /** By key: what the partner may invalidate, until its message was polled. */
  private final Map<Integer, MemoryRegion> guests = new HashMap<>();

  private long churnNs;

  MixRegions(MixSide side, Channel channel, int index, MixShape shape, Random random) {
    this.side = side;
    this.channel = channel;
    this.index = index;
    this.shape = shape;
    this.random = random;
    ChannelSpec spec = channel.spec();
    shares = MixShape.sharesReceives(spec, index);
    memory[MixShape.RECEIVES] = channel.allocate((long) spec.receiveDepth() * shape.messageBytes());
    memory[MixShape.CELLS] = channel.allocate(shape.cellsBytes(spec));
    memory[MixShape.STAMP] = channel.allocate(shape.stampBytes(index));
    memory[MixShape.CLOSED] = channel.allocate(MixShape.CLOSED_BYTES);
    memory[MixShape.RESULTS] =
        channel.allocate((long) MixShape.RESULT_PLACES * shape.resultBytes());
    memory[MixShape.COUNTERS] = channel.allocate(MixShape.COUNTER_WORDS * Long.BYTES);
    memory[MixShape.GUEST] = channel.allocate(MixShape.CLOSED_BYTES);
  }

  MemorySegment memory(int kind) {
    return memory[kind];
  }

  /** This side's region of a kind. */
  @Nullable MemoryRegion own(int kind) {
    return regions[kind];
  }

  /** The partner's region of a kind. */
  RemoteRegion remote(int kind) {
    boolean shared = shares && kind == MixShape.RECEIVES;
    return channel.remoteRegion(shared ? MixShape.SHARED_SLOT : slot(kind));
  }

  void up() {
    for (int kind = 0; kind < regions.length; kind++) {
      register(kind);
    }
  }

  void down() {
    noteVisible(regions[MixShape.STAMP]);
    Arrays.fill(regions, null);
  }

  void taint() {
    visible.clear();
  }

  long nextDeadlineNs() {
    return churnNs;
  }

  /**
   * Takes a region back, or grants those that were.
   *
   * @return whether a right was taken back
   */
  boolean churn(long nowNs) {
    replaceInvalid();
    if (nowNs < churnNs) {
      return false;
    }
    int kind = CHURNED[random.nextInt(CHURNED.length)];
    MemoryRegion region = regions[kind];
    boolean gap = region == null;
    if (region == null) {
      up();
    } else {
      region.close();
      side.tally().count("taken back");
      if (kind == MixShape.STAMP) {
        noteVisible(region);
      }
      regions[kind] = null;
      gap = random.nextBoolean();
      if (!gap) {
        register(kind);
      }
    }
    churnNs = nowNs + (gap ? random.nextInt(4) : 50 + random.nextInt(1500)) * MS;
    checkGaps();
    return region != null;
  }

  /** The partner has invalidated a region of this side by a message, once. */
  void invalidated(int rkey) {
    MemoryRegion guest = guests.remove(rkey);
    MixViolation.require(
        side.isTainted() || (guest != null && !guest.isValid()), "%x was invalidated", rkey);
    side.tally().count("invalidated");
  }

  private void replaceInvalid() {
    for (int kind = 0; kind < regions.length; kind++) {
      MemoryRegion region = regions[kind];
      if (region != null && !region.isValid()) {
        MixViolation.require(
            kind == MixShape.GUEST || side.isTainted(), "region %d was invalidated", kind);
        regions[kind] = null;
        register(kind);
      }
    }
  }

  private void register(int kind) {
    if (regions[kind] == null) {
      Access[] access =
          switch (kind) {
            case MixShape.CELLS ->
                new Access[] {Access.LOCAL_WRITE, Access.REMOTE_WRITE, Access.REMOTE_READ};
            case MixShape.STAMP, MixShape.GUEST -> new Access[] {Access.REMOTE_WRITE};
            case MixShape.COUNTERS -> new Access[] {Access.REMOTE_ATOMIC};
            default -> new Access[] {Access.LOCAL_WRITE};
          };
      MemoryRegion region = channel.register(slot(kind), memory[kind], access);
      regions[kind] = region;
      if (kind == MixShape.GUEST) {
        guests.put(region.rkey(), region);
      }
    }
  }

  private void noteVisible(@Nullable MemoryRegion region) {
    if (region == null || side.isTainted()) {
      return;
    }
    long least = Long.MAX_VALUE;
    MemorySegment stamps = memory[MixShape.STAMP];
    for (long i = 0; i < shape.stampBytes(index); i += MixShape.STAMP_STRIDE) {
      least = Math.min(least, stamps.get(JAVA_LONG, i));
    }
    visible.put(side.regionName(region.rkey()), least);
  }

  /** What the partner says was written to regions, against what was visible when they went. */
  void checkStamps(long[] keys, long[] stamps) {
    for (int i = 0; i < keys.length; i++) {
      Long seen = visible.get(keys[i]);
      if (seen != null) {
        side.tally().count("revocations checked");
        MixViolation.require(
            stamps[i] <= seen,
            "stamp %d was successful, but only %d visible when region %x was taken back",
            stamps[i],
            seen,
            keys[i]);
      }
    }
  }

  /** A cell must be what the partner says it wrote last. */
  void checkCell(int cell, long stamp) {
    side.tally().count("cells checked");
    int length = shape.cells().get(cell);
    MemorySegment cells = memory[MixShape.CELLS];
    int at = MixPattern.mismatch(cells, shape.cellOffset(cell), length, stamp);
    MixViolation.require(
        at < 0, "cell %d of %d bytes is not what was written last, at %d", cell, length, at);
  }

  /** Between the cells nobody writes. */
  private void checkGaps() {
    if (side.wasTainted()) {
      return;
    }
    for (int cell = 0; cell < shape.cells().size(); cell++) {
      long gap = (long) shape.cellOffset(cell) - MixShape.GAP;
      for (int i = 0; i < MixShape.GAP; i++) {
        MixViolation.require(
            memory[MixShape.CELLS].get(JAVA_BYTE, gap + i) == 0, "bytes beside cell %d", cell);
      }
    }
  }

  private int slot(int kind) {
    return index * MixShape.SLOTS_PER_QUEUE_PAIR + kind;
  }
}
