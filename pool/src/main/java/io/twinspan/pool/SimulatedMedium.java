package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The medium of one simulated namespace: content, a volatile write cache, and the reservation
 * state, shared by every port ({@link SimulatedDrive}) that looks at it.
 *
 * <p>What was written is in the cache until a FLUSH covers it. {@link #powerCut} keeps, for each
 * block that is in the cache, any one of its versions or a mix of two of them, as the seed says.
 * All calls on one thread.
 */
public final class SimulatedMedium {
  private static final int SECTOR_BYTES = 512;
  private static final byte[] ZEROS = new byte[Drive.BLOCK_BYTES];

  private final String name;
  private final long blockCount;
  private final Random random;

  /** By number; null where nothing was ever written. */
  private final @Nullable Block[] blocks;

  /** Those with versions that no FLUSH has covered, in any order. */
  private final List<Block> cached = new ArrayList<>();

  /** Contents that nothing refers to any more: most of what is written finds its memory here. */
  private final ArrayDeque<byte[]> spare = new ArrayDeque<>();

  private long filled;
  private final Map<Long, Long> keys = new TreeMap<>();
  private final List<SimulatedDrive> ports = new ArrayList<>();
  private int orphans;
  private long holderHost;
  private boolean held;
  private long generation;
  private long stamp;
  private long capacityBlocks = Long.MAX_VALUE;
  private boolean tearsBlocks = true;
  private boolean keepsReservations;

  /**
   * One unflushed state of a block; {@code completedStamp} says when its write was reported as
   * done.
   */
  private static final class Version {
    final byte[] data;
    long completedStamp = Long.MAX_VALUE;

    Version(byte[] data) {
      this.data = data;
    }
  }

  /** What a block holds, and would hold after a power cut. */
  private static final class Block {
    final long number;
    final ArrayDeque<Version> versions = new ArrayDeque<>(2);
    byte @Nullable [] stable;

    Block(long number) {
      this.number = number;
    }
  }

  /**
   * Creates an empty medium of zeros; the seed decides what a power cut keeps, and how ports order
   * their work.
   */
  public SimulatedMedium(String name, long blockCount, long seed) {
    this.name = name;
    this.blockCount = blockCount;
    this.random = new Random(seed);
    blocks = new Block[Math.toIntExact(blockCount)];
  }

  /** Opens a port: what one host (one controller) sees of this medium. */
  public SimulatedDrive port(long hostId) {
    SimulatedDrive port = new SimulatedDrive(this, hostId, random.nextLong());
    ports.add(port);
    return port;
  }

  /** Name, as the ports report it. */
  public String name() {
    return name;
  }

  /** Size in blocks. */
  public long blockCount() {
    return blockCount;
  }

  /**
   * Thin provisioning: writes that would make more than this many blocks non-empty end with
   * CAPACITY_EXCEEDED.
   */
  public SimulatedMedium capacityBlocks(long blocks) {
    capacityBlocks = blocks;
    return this;
  }

  /** Whether a power cut may leave a block half old, half new (default), or blocks are atomic. */
  public SimulatedMedium tearsBlocks(boolean tears) {
    tearsBlocks = tears;
    return this;
  }

  /** Whether reservations survive a power cut ("persist through power loss"; default no). */
  public SimulatedMedium keepsReservations(boolean keeps) {
    keepsReservations = keeps;
    return this;
  }

  /** Number of blocks that a power cut now could lose. */
  public int unflushedBlocks() {
    return cached.size();
  }

  /** What a read of the block gives now, as a copy. */
  public byte[] content(long block) {
    return newest(block).clone();
  }

  /** Bit rot: flips one bit in whatever the block holds now. */
  public void flipBit(long block, int bit) {
    byte[] data = newest(block).clone();
    data[bit >> 3] ^= (byte) (1 << (bit & 7));
    Block rotten = written(block);
    if (!rotten.versions.isEmpty()) {
      rotten.versions.clear();
      cached.remove(rotten);
    }
    rotten.stable = data;
  }

  /**
   * Loses power: commands under way are carried out in part or not at all, unflushed blocks
   * survive, get lost or are torn; all ports are gone after it, open new ones.
   */
  public void powerCut() {
    for (SimulatedDrive port : ports) {
      port.powerLost();
    }
    ports.clear();
    orphans = 0;
    double keep = new double[] {0, 0.5, 0.9, 0.98, 1}[random.nextInt(5)];
    cached.sort(Comparator.comparingLong(block -> block.number));
    for (Block block : cached) {
      byte[] kept = block.stable;
      for (Version version : block.versions) {
        if (random.nextDouble() < keep) {
          kept = version.data;
        } else if (tearsBlocks && random.nextInt(8) == 0) {
          kept = torn(kept, version.data);
        }
      }
      block.versions.clear();
      block.stable = kept;
      filled -= kept == null ? 1 : 0;
    }
    cached.clear();
    if (!keepsReservations) {
      keys.clear();
      held = false;
    }
  }

  private byte[] torn(byte @Nullable [] before, byte[] after) {
    byte[] mixed = before == null ? new byte[Drive.BLOCK_BYTES] : before.clone();
    for (int offset = 0; offset < mixed.length; offset += SECTOR_BYTES) {
      if (random.nextBoolean()) {
        System.arraycopy(after, offset, mixed, offset, SECTOR_BYTES);
      }
    }
    return mixed;
  }

  private byte[] newest(long number) {
    Block block = blocks[(int) number];
    byte[] data = null;
    if (block != null) {
      data = block.versions.isEmpty() ? block.stable : block.versions.getLast().data;
    }
    return data == null ? ZEROS : data;
  }

  /** The block, which holds something from now on. */
  private Block written(long number) {
    Block block = blocks[(int) number];
    if (block == null) {
      block = new Block(number);
      blocks[(int) number] = block;
    }
    filled += isFilled(block) ? 0 : 1;
    return block;
  }

  private static boolean isFilled(@Nullable Block block) {
    return block != null && (block.stable != null || !block.versions.isEmpty());
  }

  // ---- what ports call ----

  int read(long block, int count, MemorySegment to, long offset) {
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(
          newest(block + i),
          0,
          to,
          ValueLayout.JAVA_BYTE,
          offset + (long) i * Drive.BLOCK_BYTES,
          Drive.BLOCK_BYTES);
    }
    return Drive.OK;
  }

  int write(long block, int count, MemorySegment from, long offset) {
    long fresh = 0;
    for (int i = 0; i < count; i++) {
      fresh += isFilled(blocks[(int) block + i]) ? 0 : 1;
    }
    if (fresh > 0 && filled > capacityBlocks - fresh) {
      return Drive.CAPACITY_EXCEEDED;
    }
    for (int i = 0; i < count; i++) {
      writeBlock(block + i, from, offset + (long) i * Drive.BLOCK_BYTES);
    }
    return Drive.OK;
  }

  void writeBlock(long number, MemorySegment from, long offset) {
    byte[] data = spare.isEmpty() ? new byte[Drive.BLOCK_BYTES] : spare.removeLast();
    MemorySegment.copy(from, ValueLayout.JAVA_BYTE, offset, data, 0, Drive.BLOCK_BYTES);
    Block block = written(number);
    if (block.versions.isEmpty()) {
      cached.add(block);
    }
    block.versions.add(new Version(data));
  }

  /** The write of these blocks has been reported as done. */
  void writeCompleted(long block, int count) {
    stamp++;
    for (int i = 0; i < count; i++) {
      Block written = blocks[(int) block + i];
      if (written != null) {
        for (Version version : written.versions) {
          version.completedStamp = Math.min(version.completedStamp, stamp);
        }
      }
    }
  }

  /** What a FLUSH that is submitted now has to cover. */
  long stamp() {
    return stamp;
  }

  int flush(long coveredStamp) {
    int left = 0;
    for (int i = 0; i < cached.size(); i++) {
      Block block = cached.get(i);
      flush(block, coveredStamp);
      if (!block.versions.isEmpty()) {
        cached.set(left++, block);
      }
    }
    cached.subList(left, cached.size()).clear();
    return Drive.OK;
  }

  private void flush(Block block, long coveredStamp) {
    Version oldest = block.versions.peek();
    while (oldest != null && oldest.completedStamp <= coveredStamp) {
      if (block.stable != null) {
        spare.add(block.stable);
      }
      block.stable = oldest.data;
      block.versions.remove();
      oldest = block.versions.peek();
    }
  }

  /** Number of blocks that were written, of which thin provisioning has so many. */
  public long filledBlocks() {
    return filled;
  }

  // ---- reservations: type Exclusive Access ----

  boolean mayAccess(long hostId) {
    return !held || holderHost == hostId;
  }

  int reservation(long hostId, DriveRequest request) {
    boolean registered = keys.containsKey(hostId) && keys.get(hostId) == request.key;
    return switch (request.operation) {
      case RESERVATION_REGISTER -> {
        generation += keys.putIfAbsent(hostId, request.key) == null ? 1 : 0;
        yield keys.get(hostId) == request.key ? Drive.OK : Drive.RESERVATION_CONFLICT;
      }
      case RESERVATION_REPORT -> report(request);
      case RESERVATION_RENEW -> {
        generation += registered ? 1 : 0;
        yield registered ? Drive.OK : Drive.RESERVATION_CONFLICT;
      }
      case RESERVATION_UNREGISTER -> {
        if (registered) {
          keys.remove(hostId);
          generation++;
          held &= holderHost != hostId;
        }
        yield registered ? Drive.OK : Drive.RESERVATION_CONFLICT;
      }
      case RESERVATION_ACQUIRE ->
          registered && mayAccess(hostId) ? hold(hostId) : Drive.RESERVATION_CONFLICT;
      case RESERVATION_PREEMPT ->
          registered ? preempt(hostId, request.otherKey) : Drive.RESERVATION_CONFLICT;
      case RESERVATION_RELEASE -> {
        held &= !registered || holderHost != hostId;
        yield registered ? Drive.OK : Drive.RESERVATION_CONFLICT;
      }
      case READ, WRITE, FLUSH ->
          throw new IllegalArgumentException("no reservation: " + request.operation);
    };
  }

  private int hold(long hostId) {
    held = true;
    holderHost = hostId;
    return Drive.OK;
  }

  private int preempt(long hostId, long otherKey) {
    if (!keys.containsValue(otherKey)) {
      return Drive.RESERVATION_CONFLICT;
    }
    generation++;
    boolean takes = held && keys.getOrDefault(holderHost, 0L) == otherKey;
    for (SimulatedDrive port : ports) {
      if (port.hostId() != hostId && keys.getOrDefault(port.hostId(), 0L) == otherKey) {
        port.preempted();
      }
    }
    keys.entrySet().removeIf(entry -> entry.getValue() == otherKey && entry.getKey() != hostId);
    return takes ? hold(hostId) : Drive.OK;
  }

  private int report(DriveRequest request) {
    request.holder = held ? keys.getOrDefault(holderHost, 0L) : 0;
    request.generation = generation;
    request.registrantCount = Math.min(keys.size(), request.registrants.length);
    int index = 0;
    for (Long key : keys.values()) {
      if (index < request.registrantCount) {
        request.registrants[index++] = key;
      }
    }
    return Drive.OK;
  }

  /** A port's host has died, and left nothing in the drive. */
  void forget(SimulatedDrive port) {
    ports.remove(port);
  }

  boolean hasOrphans() {
    return orphans > 0;
  }

  /** A port's host has died, and left commands in the drive. */
  void orphaned() {
    orphans++;
  }

  /**
   * A host has come back, so that its port was reset: what its last life left in the drive is
   * carried out now, as far as reservations let it, and nothing of it later.
   */
  public void settleOrphans(long hostId) {
    for (int i = ports.size() - 1; i >= 0; i--) {
      SimulatedDrive port = ports.get(i);
      if (port.isOrphan() && port.hostId() == hostId) {
        port.stall(false);
        while (port.isOrphan()) {
          port.workAsOrphan();
        }
        orphans--;
        ports.remove(i);
      }
    }
  }

  /** A tick of what dead hosts left in the drive's queues; returns how many took effect. */
  int workOnOrphans() {
    if (orphans == 0) {
      return 0;
    }
    int work = 0;
    for (int i = ports.size() - 1; i >= 0; i--) {
      SimulatedDrive port = ports.get(i);
      if (port.isOrphan()) {
        work += port.workAsOrphan();
        if (!port.isOrphan()) {
          orphans--;
          ports.remove(i);
        }
      }
    }
    return work;
  }
}
