package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.PeerLink;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.SimulatedDrive;
import io.twinspan.pool.SimulatedMedium;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Has faults happen, mends them later, and keeps account of which memories still hold what was
 * acknowledged: hosts are told when the last one is gone.
 */
final class FaultInjector {
  private static final int UNREADABLE = 0x281;

  private final SimulatedArray array;
  private final SimulatedHosts hosts;
  private final Schedule schedule;
  private final Random random;
  private final Consumer<String> note;
  private final Map<Fault, Integer> counts = new EnumMap<>(Fault.class);

  /** Per pool: whether only one memory may hold what the drives lack. */
  private final boolean[] oneMemory = new boolean[ArrayNode.POOLS];

  /** By controller and pool: whether its mirror may have rotted. */
  private final boolean[][] rotten = new boolean[2][ArrayNode.POOLS];

  /** By controller and pool: left with a log or a mirror that may be needed. */
  private final boolean[][] left = new boolean[2][ArrayNode.POOLS];

  private final PoolState[][] before = new PoolState[2][ArrayNode.POOLS];

  /** Whether pools have parities: then any two drives may go. */
  boolean parity;

  /** Per pool: drives that are gone. */
  private final int[] gone = new int[ArrayNode.POOLS];

  private final long[] goneAtNs = new long[ArrayNode.POOLS];

  private final int rottenDrive;
  private int snapshots;

  FaultInjector(
      SimulatedArray array,
      SimulatedHosts hosts,
      Schedule schedule,
      Random random,
      Consumer<String> note) {
    this.array = array;
    this.hosts = hosts;
    this.schedule = schedule;
    this.random = random;
    this.note = note;
    rottenDrive = random.nextInt(array.media.getFirst().size());
  }

  /** How often each fault has happened. */
  Map<Fault, Integer> counts() {
    return Map.copyOf(counts);
  }

  void count(Fault fault) {
    counts.merge(fault, 1, Integer::sum);
  }

  void changed(SimulatedArray.Node node, int pool, PoolState state) {
    switch (state) {
      case OWNER_ALONE -> oneMemory[pool] = false; // everything is on the drives
      case OWNER_MIRRORED -> rotten[1 - node.index][pool] = false; // a new mirror
      case REPLAYING, AWAITING_LOG -> {
        if (rotten[node.index][pool]) {
          lost(pool);
        }
      }
      case STOPPED -> {
        PoolState was = before[node.index][pool];
        left[node.index][pool] = was != PoolState.STOPPING && was != PoolState.STANDBY;
      }
      default -> {}
    }
    before[node.index][pool] = state;
  }

  /** A controller's memory is gone that may have held what the drives lack. */
  private void memoryGone(int pool, SimulatedArray.Node other) {
    if (oneMemory[pool] || !other.isAlive()) {
      if (oneMemory[pool]) {
        lost(pool);
      }
      oneMemory[pool] = false;
    } else {
      oneMemory[pool] = other.state(pool) != PoolState.OWNER_ALONE;
    }
  }

  private void lost(int pool) {
    note.accept("pool" + pool + " may lose what was not flushed");
    hosts.bothDied(pool);
  }

  /** One fault; nothing if it can't be had now. */
  void happens(Fault fault) {
    SimulatedArray.Node node = array.node(random.nextInt(2));
    boolean needsNode = fault != Fault.CUT && fault != Fault.PARTITION;
    if ((needsNode && !node.isAlive()) || fault == Fault.FULL_POOL) {
      return;
    }
    count(fault);
    note.accept(fault + " " + node.name);
    switch (fault) {
      case CRASH -> crash(node);
      case PAUSE -> pause(node);
      case CUT -> array.link.cut();
      case PARTITION -> {
        array.link.linkAllowed = false;
        array.link.cut();
        schedule.later(random.nextInt(3000), () -> array.link.linkAllowed = true);
      }
      case CUT_ONE_WAY -> node.end.mute();
      case STOP -> stop(node);
      case HANDOVER -> handOver(node);
      case LOST_WAKEUP -> {
        node.sleepsThrough = true;
        schedule.later(random.nextInt(3000), () -> node.sleepsThrough = false);
      }
      case DRIVE_STALL -> stallDrives(node);
      case READ_ERROR ->
          node.drives
              .get(random.nextInt(ArrayNode.POOLS))
              .get(rottenDrive)
              .fail(DriveOperation.READ, UNREADABLE, 1 + random.nextInt(20));
      case BIT_ROT -> rot();
      case DRIVE_SWAP -> swapDrive(node);
      case SCRUB -> node.node().startScrub(random.nextInt(ArrayNode.POOLS), _ -> {});
      case SNAPSHOT -> makeSnapshot(node);
      case DRIVE_GONE -> removeDrive();
      case FULL_MEDIUM -> fillMedium();
      case LOG_ROT -> rotMirror(node);
      case CLOCK_JUMP -> array.clock.advance(1 + random.nextInt(100_000_000));
      case CLOCK_SKEW -> skewClock(node);
      case POWER_CUT -> powerCut();
      case FULL_POOL -> throw new IllegalStateException("not in the middle of a course");
    }
  }

  // ---- processes ----

  private void crash(SimulatedArray.Node node) {
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      memoryGone(pool, array.other(node));
    }
    node.kill();
    Arrays.fill(rotten[node.index], false);
    hosts.died(node);
    comesBack(node);
  }

  private void comesBack(SimulatedArray.Node node) {
    schedule.later(
        random.nextInt(2500),
        () -> {
          if (!node.isAlive()) {
            note.accept(node.name + " starts");
            node.start();
          }
        });
  }

  private void pause(SimulatedArray.Node node) {
    node.paused = true;
    int ticks = random.nextInt(2500);
    schedule.later(
        random.nextInt(600),
        () -> {
          if (node.paused) {
            array.link.cut(); // its heartbeat is missed
          }
        });
    schedule.later(
        ticks,
        () -> {
          if (node.paused) {
            note.accept(node.name + " wakes");
            node.paused = false;
          }
        });
  }

  private void stop(SimulatedArray.Node node) {
    if (array.isWell() && !array.other(node).paused && !node.paused) {
      node.beginStop();
    }
  }

  private void handOver(SimulatedArray.Node node) {
    handOver(node, random.nextInt(ArrayNode.POOLS));
    schedule.later(random.nextInt(3000), array::handHome);
  }

  private void handOver(SimulatedArray.Node node, int pool) {
    node.node()
        .handOver(
            pool,
            (status, _) -> {
              if (status != PoolStatus.INVALID) {
                note.accept(node.name + " handed over pool" + pool + ": " + status);
              }
            });
  }

  /** Processes that were asked to end have done so. */
  void endStops() {
    for (int i = 0; i < 2; i++) {
      SimulatedArray.Node node = array.node(i);
      if (node.isAlive() && node.stopped) {
        note.accept(node.name + " has stopped");
        for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
          if (left[node.index][pool]) {
            memoryGone(pool, array.other(node));
          }
        }
        node.endStop();
        hosts.died(node);
        comesBack(node);
      }
    }
  }

  private void skewClock(SimulatedArray.Node node) {
    if (random.nextBoolean()) {
      node.clock().leap(random.nextInt(1_000_000_000));
    } else {
      node.clock().runAt(10 + random.nextInt(500));
      schedule.later(random.nextInt(3000), () -> node.clock().runAt(100));
    }
  }

  private void powerCut() {
    hosts.died(array.a);
    hosts.died(array.b);
    array.powerCut();
    hosts.powerCut();
    Arrays.fill(oneMemory, false);
    for (boolean[] pools : rotten) {
      Arrays.fill(pools, false);
    }
    comesBack(array.a);
    comesBack(array.b);
  }

  /** A bit of a mirror flips, where records lie as a rule. */
  private void rotMirror(SimulatedArray.Node node) {
    int pool = random.nextInt(ArrayNode.POOLS);
    if (node.state(pool) == PoolState.STANDBY) {
      MemorySegment mirror = node.end.landing(PeerLink.Lane.MIRROR);
      long range = random.nextInt(8) == 0 ? Drive.BLOCK_BYTES : SimulatedArray.LOG_BYTES;
      long at = pool * SimulatedArray.LOG_BYTES + (long) (random.nextDouble() * range);
      byte was = mirror.get(ValueLayout.JAVA_BYTE, at);
      mirror.set(ValueLayout.JAVA_BYTE, at, (byte) (was ^ 1 << random.nextInt(8)));
      rotten[node.index][pool] = true;
    }
  }

  // ---- drives ----

  private void stallDrives(SimulatedArray.Node node) {
    List<SimulatedDrive> stalled = List.copyOf(node.drives.get(random.nextInt(ArrayNode.POOLS)));
    stalled.forEach(drive -> drive.stall(true));
    schedule.later(random.nextInt(1500), () -> stalled.forEach(drive -> drive.stall(false)));
  }

  private void rot() {
    SimulatedMedium medium = array.media.get(random.nextInt(ArrayNode.POOLS)).get(rottenDrive);
    medium.flipBit(
        random.nextInt((int) medium.blockCount()), random.nextInt(Drive.BLOCK_BYTES * 8));
  }

  /**
   * The one that rots goes first; then, of four, the one that shares no block with it, as soon as
   * the loss of the first must be on record: without that two of four are no quorum. With parities
   * any other one goes, at once.
   */
  private void removeDrive() {
    int pool = random.nextInt(ArrayNode.POOLS);
    int count = array.media.get(pool).size();
    boolean second =
        count == 4
            && gone[pool] == 1
            && hosts.flushBeganNs(pool) > goneAtNs[pool] + 50 * SimulatedArray.TICK_NS;
    if (parity && gone[pool] < 2) {
      array.removeDrive(pool, (rottenDrive + gone[pool] * (1 + random.nextInt(count - 1))) % count);
      gone[pool]++;
    } else if (!parity && (gone[pool] == 0 || second)) {
      array.removeDrive(pool, (rottenDrive + 2 * gone[pool]) % count);
      goneAtNs[pool] = array.clock.nanoTime();
      gone[pool]++;
    }
  }

  private void swapDrive(SimulatedArray.Node node) {
    int pool = random.nextInt(ArrayNode.POOLS);
    node.node().failDrive(pool, rottenDrive, _ -> {});
    schedule.later(
        random.nextInt(1500),
        () -> {
          SimulatedArray.Node either = array.a.isAlive() ? array.a : array.b;
          if (either.isAlive()) {
            either.node().replaceDrive(pool, rottenDrive, _ -> {});
          }
        });
  }

  private void makeSnapshot(SimulatedArray.Node node) {
    List<VolumeInfo> volumes = node.node().volumes();
    if (volumes.isEmpty()) {
      return;
    }
    int source = volumes.get(random.nextInt(volumes.size())).id();
    String name = "s" + ++snapshots;
    node.node().cloneVolume(source, name, random.nextBoolean(), _ -> {});
    schedule.later(random.nextInt(3000), () -> deleteVolume(name));
  }

  private void deleteVolume(String name) {
    SimulatedArray.Node either = array.a.isAlive() ? array.a : array.b;
    if (either.isAlive()) {
      for (VolumeInfo volume : either.node().volumes()) {
        if (volume.name().equals(name)) {
          either.node().deleteVolume(volume.id(), _ -> {});
        }
      }
    }
  }

  private void fillMedium() {
    List<SimulatedMedium> media = array.media.get(random.nextInt(ArrayNode.POOLS));
    for (SimulatedMedium medium : media) {
      medium.capacityBlocks(medium.filledBlocks() + random.nextInt(4));
    }
    schedule.later(
        random.nextInt(3000), () -> media.forEach(medium -> medium.capacityBlocks(Long.MAX_VALUE)));
  }
}
