package io.twinspan.simulator;

import io.twinspan.array.ArrayConfig;
import io.twinspan.array.ArrayListener;
import io.twinspan.array.ArrayNode;
import io.twinspan.array.HandoverCompletion;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolConfig;
import io.twinspan.array.PoolState;
import io.twinspan.concurrent.ManualClock;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DrivePool;
import io.twinspan.pool.PoolOptions;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.Redundancy;
import io.twinspan.pool.SimulatedDrive;
import io.twinspan.pool.SimulatedMedium;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Two controllers, their link and their drives in one thread, on virtual time. */
final class SimulatedArray {
  static final long ARRAY = 0xA44A;
  static final long LOG_BYTES = 1 << 20;
  static final int DRIVES = 3;
  static final long TICK_NS = TimeUnit.MICROSECONDS.toNanos(20);
  static final long LEASE_NS = TimeUnit.MILLISECONDS.toNanos(10);
  static final PoolOptions POOL_OPTIONS =
      new PoolOptions(16, 64, 4, 8, 8, 64, 1 << 20, 64, Redundancy.MIRROR);

  final SimulatedMemory memory = new SimulatedMemory();
  private final PoolOptions options;
  final Random random;
  final ManualClock clock = new ManualClock();
  final SimulatedLink link;
  final List<List<SimulatedMedium>> media = new ArrayList<>();
  final Node a;
  final Node b;
  boolean formatIfBlank = true;
  long givebackDelayNs = TimeUnit.MILLISECONDS.toNanos(3);
  int maxDriveDelayTicks = 3;
  private long boots;

  /** Drives that are gone for good, by pool, as bits. */
  private final int[] gone = new int[ArrayNode.POOLS];

  Observer observer = (_, _, _) -> {};

  /** Hears of every change of a controller's part in a pool. */
  interface Observer {
    void changed(Node node, int pool, PoolState state);
  }

  SimulatedArray(long seed) {
    this(seed, 1024, DRIVES);
  }

  SimulatedArray(long seed, long driveBlocks, int driveCount) {
    this(seed, driveBlocks, driveCount, Redundancy.MIRROR);
  }

  SimulatedArray(long seed, long driveBlocks, int driveCount, Redundancy redundancy) {
    options = POOL_OPTIONS.with(redundancy);
    random = new Random(seed);
    link = new SimulatedLink(seed * 7 + 1, LOG_BYTES, memory);
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      List<SimulatedMedium> drives = new ArrayList<>();
      for (int i = 0; i < driveCount; i++) {
        drives.add(
            new SimulatedMedium("drive" + i + "-ns" + (pool + 1), driveBlocks, seed * 31 + i));
      }
      media.add(drives);
    }
    a = new Node(0, 0x1A, 0x1B, link.a);
    b = new Node(1, 0x1B, 0x1A, link.b);
  }

  Node node(int index) {
    return index == 0 ? a : b;
  }

  Node other(Node node) {
    return node == a ? b : a;
  }

  /** One tick of everything. */
  int tick() {
    link.tick();
    int work = a.turn() + b.turn();
    clock.advance(TICK_NS);
    return work;
  }

  /**
   * Lets the time pass in which nothing would happen: until something that is under way arrives, or
   * a controller's deadline.
   *
   * @param most limit
   * @return ticks that have passed, 0 when the next one has something to do
   */
  long leap(long most) {
    long ticks = Math.min(link.idleTicks(), Math.min(a.idleTicks(), b.idleTicks())) - 1;
    ticks = Math.min(ticks, most);
    if (ticks > 0) {
      link.skip(ticks);
      a.skip(ticks);
      b.skip(ticks);
      clock.advance(ticks * TICK_NS);
    }
    return Math.max(ticks, 0);
  }

  void runUntil(BooleanSupplier condition, String what) {
    for (int i = 0; !condition.getAsBoolean(); i++) {
      if (i > 100_000) {
        throw new AssertionError("never: " + what + "; " + a + "; " + b);
      }
      if (tick() == 0) {
        leap(Long.MAX_VALUE);
      }
    }
  }

  void run(int ticks) {
    for (int i = 0; i < ticks; i++) {
      tick();
    }
  }

  /** Starts both and waits until each owns its pool, mirrored. */
  SimulatedArray started() {
    a.start();
    b.start();
    runUntil(this::isWell, "both well");
    return this;
  }

  boolean isWell() {
    return a.state(0) == PoolState.OWNER_MIRRORED
        && b.state(0) == PoolState.STANDBY
        && b.state(1) == PoolState.OWNER_MIRRORED
        && a.state(1) == PoolState.STANDBY;
  }

  /** Begins to hand pools back that were handed over and are in step. */
  void handHome() {
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      Node visited = node(1 - pool);
      if (visited.isAlive() && !visited.paused && visited.state(pool) == PoolState.OWNER_MIRRORED) {
        visited.node().handOver(pool, HandoverCompletion.NONE);
      }
    }
  }

  int createVolume(Node through, int pool, String name, int blocks) {
    List<PoolStatus> answers = new ArrayList<>();
    through.node().createVolume(pool, name, (long) blocks * Drive.BLOCK_BYTES, answers::add);
    runUntil(() -> !answers.isEmpty(), "volume created");
    if (answers.getFirst() != PoolStatus.OK) {
      throw new AssertionError("create " + name + ": " + answers);
    }
    runUntil(() -> through.volume(name) != null, "volume known");
    return Objects.requireNonNull(through.volume(name)).id();
  }

  /** Takes a drive out of both controllers' sight, for good. */
  void removeDrive(int pool, int drive) {
    gone[pool] |= 1 << drive;
    for (Node node : List.of(a, b)) {
      if (node.isAlive()) {
        node.drives.get(pool).get(drive).remove();
      }
    }
  }

  /** A host's request and its answer. */
  static final class Ask extends HostRequest {
    @Nullable HostStatus status;

    Ask(HostOperation kind, int volume, long offset, int length) {
      operation = kind;
      this.volume = volume;
      this.offset = offset;
      this.length = length;
      data = Arena.ofAuto().allocate(Math.max(length, 1), Drive.BLOCK_BYTES);
    }

    @Override
    public void completed(HostStatus answer) {
      if (status != null) {
        throw new AssertionError("completed twice");
      }
      status = answer;
    }

    byte at(int index) {
      return data.get(java.lang.foreign.ValueLayout.JAVA_BYTE, index);
    }
  }

  Ask submit(Node node, HostOperation kind, int volume, long offset, int length, int fill) {
    Ask ask = new Ask(kind, volume, offset, length);
    ask.data.fill((byte) fill);
    if (!node.node().submit(ask)) {
      throw new AssertionError("no room");
    }
    return ask;
  }

  Ask write(Node node, int volume, long offset, int length, int fill) {
    return submit(node, HostOperation.WRITE, volume, offset, length, fill);
  }

  Ask read(Node node, int volume, long offset, int length) {
    return submit(node, HostOperation.READ, volume, offset, length, 0xEE);
  }

  Ask done(Ask ask) {
    runUntil(() -> ask.status != null, "request answered");
    return ask;
  }

  /** The array is not used any more: its memory is another one's. */
  void end() {
    memory.giveBack();
  }

  void powerCut() {
    a.forget();
    b.forget();
    media.forEach(pool -> pool.forEach(SimulatedMedium::powerCut));
  }

  /** One controller process, dead or alive. */
  final class Node {
    final String name;

    /** 0 or 1. */
    final int index;

    private final long key;
    private final long peerKey;
    final SimulatedLink.End end;
    private final List<MemorySegment> logs = new ArrayList<>();
    private final List<MemorySegment> poolMemory = new ArrayList<>();
    private final MemorySegment scratch = memory.take(ArrayNode.SCRATCH_BYTES);
    final List<List<SimulatedDrive>> drives = new ArrayList<>();
    private final SkewedClock ownClock = new SkewedClock(clock);
    private final PoolState[] states = new PoolState[ArrayNode.POOLS];
    private @Nullable ArrayNode node;

    /** Something was done or asked for since the last turn: the next one comes at once. */
    private boolean awake;

    boolean paused;
    boolean stopped;

    /** It has said that writes may be lost, in this life. */
    boolean saidWritesLost;

    /** Nothing that arrives wakes it: it looks when its own deadline comes. */
    boolean sleepsThrough;

    Node(int index, long key, long peerKey, SimulatedLink.End end) {
      this.index = index;
      name = index == 0 ? "a" : "b";
      this.key = key;
      this.peerKey = peerKey;
      this.end = end;
      for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
        logs.add(memory.take(LOG_BYTES));
        poolMemory.add(memory.take(DrivePool.MEMORY_BYTES));
      }
    }

    boolean isAlive() {
      return node != null;
    }

    ArrayNode node() {
      if (node == null) {
        throw new IllegalStateException(name + " is dead");
      }
      awake = true;
      return node;
    }

    /** The clock of this controller's process. */
    SkewedClock clock() {
      return ownClock;
    }

    PoolState state(int pool) {
      return node == null ? PoolState.STOPPED : states[pool];
    }

    @Nullable VolumeInfo volume(String volumeName) {
      return node().volumes().stream()
          .filter(volume -> volume.name().equals(volumeName))
          .findFirst()
          .orElse(null);
    }

    void start() {
      stopped = false;
      paused = false;
      sleepsThrough = false;
      saidWritesLost = false;
      awake = true;
      Arrays.fill(states, PoolState.STARTING);
      media.forEach(pool -> pool.forEach(medium -> medium.settleOrphans(key)));
      end.attach();
      drives.clear();
      List<PoolConfig> pools = new ArrayList<>();
      for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
        List<SimulatedDrive> ports = new ArrayList<>();
        for (int i = 0; i < media.get(pool).size(); i++) {
          SimulatedDrive port = media.get(pool).get(i).port(key);
          ports.add(port.maxDelayTicks(maxDriveDelayTicks));
          if ((gone[pool] & 1 << i) != 0) {
            port.remove();
          }
        }
        drives.add(ports);
        pools.add(
            new PoolConfig(
                pool,
                "pool" + pool,
                pool == 0 ? "a" : "b",
                new DrivePool(pool, ports, poolMemory.get(pool), options),
                new ArrayList<>(ports),
                logs.get(pool)));
      }
      ArrayConfig config =
          new ArrayConfig(
              name,
              ARRAY,
              ++boots,
              key,
              peerKey,
              LOG_BYTES,
              formatIfBlank,
              TimeUnit.MILLISECONDS.toNanos(20),
              givebackDelayNs,
              LEASE_NS,
              TimeUnit.MILLISECONDS.toNanos(200));
      node =
          new ArrayNode(
              config,
              pools,
              end,
              scratch,
              ownClock,
              new ArrayListener() {
                @Override
                public void ownershipChanged(int pool, PoolState state) {
                  states[pool] = state;
                  observer.changed(Node.this, pool, state);
                }

                @Override
                public void writesLost(int pool) {
                  saidWritesLost = true;
                }
              });
    }

    /** Kills the process: what is in the drives' queues may still take effect. */
    void kill() {
      node = null;
      end.die();
      for (List<SimulatedDrive> ports : drives) {
        ports.forEach(SimulatedDrive::die);
      }
      // Log and buffers are gone with the process; whoever reads them now reads nonsense.
      logs.forEach(log -> log.fill((byte) 0x5A));
    }

    /** As {@link #kill}, with the power of the drives to follow. */
    void forget() {
      if (node != null) {
        node = null;
        end.die();
      }
      drives.clear();
    }

    void stop() {
      beginStop();
      runUntil(() -> stopped, name + " stopped");
      endStop();
    }

    /** Asks it to end in good order; {@link #endStop} when it is stopped. */
    void beginStop() {
      node().stop(() -> stopped = true);
    }

    void endStop() {
      end.detach();
      node = null;
      for (List<SimulatedDrive> ports : drives) {
        ports.forEach(SimulatedDrive::die);
      }
    }

    /** While true the drives of a pool answer this controller nothing. */
    void stallDrives(int pool, boolean stalls) {
      drives.get(pool).forEach(drive -> drive.stall(stalls));
    }

    /** A turn of the process, unless it sleeps and nothing wakes it; its drives work anyway. */
    int turn() {
      if (node == null) {
        return 0;
      }
      boolean looks = !paused && (!sleepsThrough || isDue());
      int work = 0;
      for (int i = 0; i < drives.size(); i++) {
        List<SimulatedDrive> ports = drives.get(i);
        for (int j = 0; j < ports.size(); j++) {
          work += looks ? ports.get(j).doWork() : ports.get(j).workUnattended();
        }
      }
      if (!looks || (work == 0 && !awake && end.pollIdleTicks() > 0 && !isDue())) {
        return work;
      }
      int done = node.doWork();
      awake = end.takeRefused() || done > 0;
      return work + done;
    }

    private boolean isDue() {
      return node != null && ownClock.nanoTime() >= node.nextDeadlineNs();
    }

    /** Ticks until this process has something to do, or one of its drives, at least 1. */
    long idleTicks() {
      if (node == null) {
        return Long.MAX_VALUE;
      }
      long idle = Long.MAX_VALUE;
      for (int i = 0; i < drives.size(); i++) {
        for (int j = 0; j < drives.get(i).size(); j++) {
          idle = Math.min(idle, drives.get(i).get(j).idleTicks());
        }
      }
      if (!paused) {
        if (!sleepsThrough) {
          idle = Math.min(idle, awake ? 1 : end.pollIdleTicks());
        }
        idle = Math.min(idle, ownClock.worldNsUntil(node.nextDeadlineNs()) / TICK_NS);
      }
      return Math.max(idle, 1);
    }

    void skip(long ticks) {
      drives.forEach(ports -> ports.forEach(drive -> drive.skip(ticks)));
    }

    @Override
    public String toString() {
      return name + (paused ? " paused " : " ") + (node == null ? "dead" : node.status());
    }
  }
}
