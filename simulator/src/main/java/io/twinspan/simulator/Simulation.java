package io.twinspan.simulator;

import io.twinspan.array.PoolState;
import io.twinspan.pool.Redundancy;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/**
 * One course of faults under load, decided by its seed. Hosts write and read through both
 * controllers and check each sector: what was acknowledged is there, nothing older comes after
 * something newer was read, nothing that nobody wrote. In the end everything is mended, and all of
 * it is read through both controllers.
 *
 * <p>Data that was acknowledged and not flushed may be lost when the last memory goes that held it:
 * when a controller dies before the one that outlived the other has it on the drives, or when the
 * mirror has rotted that is to be replayed.
 */
public final class Simulation {
  private static final int FAULTS = 8;
  private static final int VOLUME_BLOCKS = 48;
  private static final int LARGE_VOLUME_BLOCKS = 600;
  private static final long DRIVE_BLOCKS = 1024;
  private static final long SMALL_DRIVE_BLOCKS = 512;

  /** So small that a large volume has to be cleaned all the time, or does not fit. */
  private static final long SMALL_PARITY_DRIVE_BLOCKS = 400;

  private static final long MEND_LIMIT_TICKS =
      TimeUnit.SECONDS.toNanos(60) / SimulatedArray.TICK_NS;
  private static final int MAX_REST_TICKS =
      (int) (TimeUnit.SECONDS.toNanos(4) / SimulatedArray.TICK_NS);
  private static final int TRACE_LINES = 300;

  private final long seed;
  private final Random random;
  private final List<Fault> choice;
  private final SimulatedArray array;
  private final SimulatedHosts hosts;
  private final Schedule schedule = new Schedule();
  private final FaultInjector injector;
  private final ArrayDeque<String> trace = new ArrayDeque<>();
  private final int volumeBlocks;

  private Simulation(long seed, Set<Fault> faults, Redundancy redundancy) {
    this.seed = seed;
    random = new Random(seed);
    choice = List.copyOf(new TreeSet<>(faults));
    boolean full = faults.contains(Fault.FULL_POOL) && random.nextInt(6) == 0;
    boolean parity = redundancy == Redundancy.PARITY;
    int drives = (random.nextInt(3) == 0 ? 4 : 3) + (parity ? 2 : 0);
    long small = parity ? SMALL_PARITY_DRIVE_BLOCKS : SMALL_DRIVE_BLOCKS;
    volumeBlocks = full ? LARGE_VOLUME_BLOCKS : VOLUME_BLOCKS;
    array = new SimulatedArray(seed, full ? small : DRIVE_BLOCKS, drives, redundancy);
    array.maxDriveDelayTicks = random.nextInt(6);
    array.link.maxDelayTicks = 1 + random.nextInt(6);
    array.link.maxDetectionTicks = random.nextInt(4) == 0 ? 1000 : 40;
    array.observer = this::changed;
    hosts = new SimulatedHosts(array, seed);
    hosts.depth = 1 + random.nextInt(10);
    hosts.maxSectors = full ? 256 : 64;
    injector = new FaultInjector(array, hosts, schedule, random, this::note);
    injector.parity = parity;
    if (full) {
      injector.count(Fault.FULL_POOL);
    }
  }

  /** Runs one course with mirrored pools, as {@link #run(long, Set, Redundancy)}. */
  public static Outcome run(long seed, Set<Fault> faults) {
    return run(seed, faults, Redundancy.MIRROR);
  }

  /**
   * Runs one course; the same seed, faults and redundancy give the same outcome. Takes some 50 ms.
   */
  public static Outcome run(long seed, Set<Fault> faults, Redundancy redundancy) {
    Simulation simulation = new Simulation(seed, faults, redundancy);
    String violation = "";
    try {
      simulation.course();
    } catch (AssertionError | RuntimeException e) {
      // Whatever is thrown here is the finding: an invariant of the product, or of the hosts.
      StackTraceElement[] stack = e.getStackTrace();
      violation = (stack.length == 0 ? "" : stack[0] + ": ") + e;
    }
    simulation.array.end();
    return simulation.outcome(violation);
  }

  private Outcome outcome(String violation) {
    return new Outcome(
        seed,
        violation,
        List.copyOf(trace),
        injector.counts(),
        array.clock.nanoTime(),
        hosts.acknowledged,
        hosts.reads,
        hosts.refused,
        hosts.longestMicros() * 1000);
  }

  private void course() {
    array.started();
    hosts.volume(array.createVolume(array.a, 0, "first", volumeBlocks), volumeBlocks);
    hosts.volume(array.createVolume(array.a, 1, "second", volumeBlocks), volumeBlocks);
    work(200);
    for (int i = 0; i < FAULTS && !choice.isEmpty(); i++) {
      injector.happens(choice.get(random.nextInt(choice.size())));
      // Often the next one comes while the array is still busy with this one.
      work(random.nextInt(random.nextBoolean() ? 60 : 1500));
      if (random.nextInt(8) == 0) {
        rest(random.nextInt(MAX_REST_TICKS));
      }
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
    injector.changed(node, pool, state);
  }

  private void work(long ticks) {
    long end = schedule.now() + ticks;
    while (schedule.now() < end) {
      turn(end);
    }
  }

  /** Hosts ask for nothing new. */
  private void rest(long ticks) {
    hosts.resting = true;
    work(ticks);
    hosts.resting = false;
  }

  /** One tick, and those after it in which nothing happens, but not beyond {@code end}. */
  private void turn(long end) {
    schedule.advance(1);
    hosts.work();
    int work = array.tick();
    injector.endStops();
    if (work == 0 && hosts.isQuiet()) {
      long most = Math.min(end - schedule.now(), schedule.idleTicks() - 1);
      schedule.advance(array.leap(most));
    }
  }

  private void mendAll() {
    note("everything is mended");
    long end = schedule.now() + MEND_LIMIT_TICKS;
    while (!array.isWell() || !schedule.isEmpty()) {
      schedule.runAll();
      array.handHome();
      if (schedule.now() >= end) {
        throw new AssertionError("never well again: " + array.a + "; " + array.b);
      }
      turn(end);
    }
  }
}
