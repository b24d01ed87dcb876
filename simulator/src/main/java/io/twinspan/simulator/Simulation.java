package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * One course of faults under load, decided by its seed. Hosts write and read through both
 * controllers and check each sector: what was acknowledged is there, nothing older comes after
 * something newer was read, nothing that nobody wrote. In the end everything is mended, and all of
 * it is read through both controllers.
 *
 * <p>Data that was acknowledged and not flushed may be lost when the last memory goes that held it:
 * when a controller dies before the one that outlived the other has it on the drives.
 */
public final class Simulation {
  private static final int UNREADABLE = 0x281;
  private static final int FAULTS = 8;
  private static final int VOLUME_BLOCKS = 48;
  private static final int MEND_LIMIT_TICKS = 60_000;
  private static final int TRACE_LINES = 300;

  private final long seed;
  private final Random random;
  private final List<Fault> choice;
  private final SimulatedArray array;
  private final SimulatedHosts hosts;
  private final ArrayDeque<String> trace = new ArrayDeque<>();
  private final Map<Fault, Integer> counts = new EnumMap<>(Fault.class);
  private final List<Mending> mendings = new ArrayList<>();

  /** Per pool: whether only one memory may hold what the drives lack. */
  private final boolean[] oneMemory = new boolean[ArrayNode.POOLS];

  private final int rottenDrive;
  private long tick;

  private record Mending(long tick, Runnable action) {}

  private Simulation(long seed, Set<Fault> faults) {
    this.seed = seed;
    random = new Random(seed);
    choice = List.copyOf(new TreeSet<>(faults));
    array = new SimulatedArray(seed);
    array.maxDriveDelayTicks = random.nextInt(6);
    array.link.maxDelayTicks = 1 + random.nextInt(6);
    array.observer = this::changed;
    hosts = new SimulatedHosts(array, seed);
    hosts.depth = 1 + random.nextInt(10);
    rottenDrive = random.nextInt(SimulatedArray.DRIVES);
  }

  /** Runs one course; the same seed and faults give the same outcome. Takes some 50 ms. */
  public static Outcome run(long seed, Set<Fault> faults) {
    Simulation simulation = new Simulation(seed, faults);
    String violation = "";
    try {
      simulation.course();
    } catch (AssertionError | RuntimeException e) {
      // Whatever is thrown here is the finding: an invariant of the product, or of the hosts.
      StackTraceElement[] stack = e.getStackTrace();
      violation = (stack.length == 0 ? "" : stack[0] + ": ") + e;
    }
    return simulation.outcome(violation);
  }

  private Outcome outcome(String violation) {
    return new Outcome(
        seed,
        violation,
        List.copyOf(trace),
        Map.copyOf(counts),
        array.clock.nanoTime(),
        hosts.acknowledged,
        hosts.reads,
        hosts.refused,
        hosts.longestMicros() * 1000);
  }

  private void course() {
    array.started();
    hosts.volume(array.createVolume(array.a, 0, "first", VOLUME_BLOCKS), VOLUME_BLOCKS);
    hosts.volume(array.createVolume(array.a, 1, "second", VOLUME_BLOCKS), VOLUME_BLOCKS);
    work(200);
    for (int i = 0; i < FAULTS && !choice.isEmpty(); i++) {
      happens(choice.get(random.nextInt(choice.size())));
      // Often the next one comes while the array is still busy with this one.
      work(random.nextInt(random.nextBoolean() ? 60 : 1500));
    }
    mendAll();
    hosts.drain();
    hosts.verify(array.a);
    hosts.verify(array.b);
    if (hosts.acknowledged == 0) {
      throw new AssertionError("hosts got nothing done");
    }
  }

  private void note(String what) {
    trace.add(array.clock.nanoTime() / 1000 + " us: " + what);
    if (trace.size() > TRACE_LINES) {
      trace.remove();
    }
  }

  private void changed(SimulatedArray.Node node, int pool, PoolState state) {
    note(node.name + " pool" + pool + " " + state);
    if (state == PoolState.OWNER_ALONE) {
      oneMemory[pool] = false; // whoever serves alone has everything on the drives
    }
  }

  private void work(int ticks) {
    for (int i = 0; i < ticks; i++) {
      turn();
    }
  }

  private void turn() {
    tick++;
    for (int i = 0; i < mendings.size(); ) {
      if (mendings.get(i).tick <= tick) {
        mendings.remove(i).action.run();
      } else {
        i++;
      }
    }
    hosts.work();
    array.tick();
    endStops();
  }

  private void later(int ticks, Runnable action) {
    mendings.add(new Mending(tick + ticks, action));
  }

  private void mendAll() {
    note("everything is mended");
    for (int i = 0; !array.isWell() || !mendings.isEmpty(); i++) {
      List<Mending> due = List.copyOf(mendings);
      mendings.clear();
      due.forEach(mending -> mending.action.run());
      if (i > MEND_LIMIT_TICKS) {
        throw new AssertionError("never well again: " + array.a + "; " + array.b);
      }
      turn();
    }
  }

  // ---- faults ----

  private void happens(Fault fault) {
    SimulatedArray.Node node = array.node(random.nextInt(2));
    if (!node.isAlive() && fault != Fault.CUT && fault != Fault.PARTITION) {
      return;
    }
    counts.merge(fault, 1, Integer::sum);
    note(fault + " " + node.name);
    switch (fault) {
      case CRASH -> crash(node);
      case PAUSE -> pause(node);
      case CUT -> array.link.cut();
      case PARTITION -> {
        array.link.linkAllowed = false;
        array.link.cut();
        later(random.nextInt(3000), () -> array.link.linkAllowed = true);
      }
      case STOP -> stop(node);
      case DRIVE_STALL -> {
        int pool = random.nextInt(ArrayNode.POOLS);
        var stalled = List.copyOf(node.drives.get(pool));
        stalled.forEach(drive -> drive.stall(true));
        later(random.nextInt(1500), () -> stalled.forEach(drive -> drive.stall(false)));
      }
      case READ_ERROR ->
          node.drives
              .get(random.nextInt(ArrayNode.POOLS))
              .get(rottenDrive)
              .fail(DriveOperation.READ, UNREADABLE, 1 + random.nextInt(20));
      case BIT_ROT -> rot();
      case CLOCK_JUMP -> array.clock.advance(1 + random.nextInt(100_000_000));
      case POWER_CUT -> powerCut();
    }
  }

  private void crash(SimulatedArray.Node node) {
    SimulatedArray.Node other = array.other(node);
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      if (oneMemory[pool] || !other.isAlive()) {
        if (oneMemory[pool]) {
          note("pool" + pool + " may lose what was not flushed");
          hosts.bothDied(pool);
        }
        oneMemory[pool] = false;
      } else {
        oneMemory[pool] = other.state(pool) != PoolState.OWNER_ALONE;
      }
    }
    node.kill();
    hosts.died(node);
    comesBack(node);
  }

  private void comesBack(SimulatedArray.Node node) {
    later(
        random.nextInt(2500),
        () -> {
          if (!node.isAlive()) {
            note(node.name + " starts");
            node.start();
          }
        });
  }

  private void pause(SimulatedArray.Node node) {
    node.paused = true;
    int ticks = random.nextInt(2500);
    later(
        random.nextInt(600),
        () -> {
          if (node.paused) {
            array.link.cut(); // its heartbeat is missed
          }
        });
    later(
        ticks,
        () -> {
          if (node.paused) {
            note(node.name + " wakes");
            node.paused = false;
          }
        });
  }

  private void stop(SimulatedArray.Node node) {
    if (array.isWell() && !array.other(node).paused && !node.paused) {
      node.beginStop();
    }
  }

  /** Processes that were asked to end have done so. */
  private void endStops() {
    for (int i = 0; i < 2; i++) {
      SimulatedArray.Node node = array.node(i);
      if (node.isAlive() && node.stopped) {
        note(node.name + " has stopped");
        node.endStop();
        hosts.died(node);
        comesBack(node);
      }
    }
  }

  private void rot() {
    var medium = array.media.get(random.nextInt(ArrayNode.POOLS)).get(rottenDrive);
    medium.flipBit(
        random.nextInt((int) medium.blockCount()), random.nextInt(Drive.BLOCK_BYTES * 8));
  }

  private void powerCut() {
    hosts.died(array.a);
    hosts.died(array.b);
    array.powerCut();
    hosts.powerCut();
    Arrays.fill(oneMemory, false);
    comesBack(array.a);
    comesBack(array.b);
  }
}
