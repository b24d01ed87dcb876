package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.simulator.VolumeHistory;
import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdDisconnectedException;
import java.lang.foreign.MemorySegment;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Hosts that write and read all volumes through both controllers, and let {@link VolumeHistory}
 * judge every answer. A request whose controller goes away is sent again, to the other one, until
 * it is answered; its sectors are not written otherwise meanwhile.
 *
 * <p>For each pair of volume and controller one host goes on at the other controller; and one only
 * reads, and keeps to its controller and its connection as long as that lives: what a controller
 * answers that stood still must be true.
 */
final class ChaosHosts implements AutoCloseable {
  private static final int SECTORS_PER_BLOCK = 8;
  private static final int MAX_SECTORS = 256;
  private static final int BUFFER_BYTES = MAX_SECTORS * VolumeHistory.SECTOR_BYTES;
  private static final Duration STEADFAST_DEADLINE = Duration.ofSeconds(10);

  /** So long that it means a fault of the array's even on a machine that has no time for it. */
  private static final Duration FAILOVER_DEADLINE = Duration.ofMinutes(3);

  private static final int HOME_AFTER = 100;
  private static final long PAUSE_NS = 200_000;

  private final List<SocketAddress> controllers;
  private final List<String> names;
  private final List<VolumeHistory> histories = new ArrayList<>();
  private final long seed;
  private final List<Host> hosts = new ArrayList<>();
  private final AtomicReference<@Nullable String> violation = new AtomicReference<>();
  private final AtomicLong longestNs = new AtomicLong();
  private final AtomicLong writes = new AtomicLong();
  private final AtomicLong reads = new AtomicLong();
  private final AtomicLong flushes = new AtomicLong();
  private final Object outages = new Object();
  private long outage;
  private volatile boolean stopping;

  /**
   * Creates the hosts, which do not run yet.
   *
   * @param controllers NBD addresses of a and b, without an export
   * @param names of the volumes, new ones
   * @param bytes of each that are used: few, so that blocks are overwritten often
   */
  ChaosHosts(List<SocketAddress> controllers, List<String> names, long bytes, long seed) {
    this.controllers = List.copyOf(controllers);
    this.names = List.copyOf(names);
    this.seed = seed;
    for (int i = 0; i < names.size(); i++) {
      histories.add(new VolumeHistory(i, Math.toIntExact(bytes / VolumeHistory.SECTOR_BYTES)));
    }
  }

  void start() {
    for (int volume = 0; volume < names.size(); volume++) {
      for (int controller = 0; controller < controllers.size(); controller++) {
        hosts.add(new Roamer(volume, controller));
        hosts.add(new Steadfast(volume, controller));
      }
    }
    hosts.forEach(host -> host.thread.start());
  }

  /** {@return whether every roaming host has had an answer to what it began after a moment} */
  boolean hasProgressedSince(long sinceNs) {
    return hosts.stream()
        .allMatch(host -> host instanceof Steadfast || host.lastBegunNs - sinceNs > 0);
  }

  /** {@return the longest wait of a roaming host for an answer that came since the last call} */
  long takeLongestNs() {
    return longestNs.getAndSet(0);
  }

  /** {@return what was wrong first, or null} */
  @Nullable String violation() {
    return violation.get();
  }

  /** All that is not on the drives is lost: nobody can answer any more who could before. */
  void memoryIsLost() {
    synchronized (outages) {
      outage++;
      histories.forEach(VolumeHistory::memoryIsLost);
    }
  }

  long writes() {
    return writes.get();
  }

  long reads() {
    return reads.get();
  }

  long flushes() {
    return flushes.get();
  }

  /** Ends all hosts in good order. */
  void stop() {
    stopping = true;
    hosts.forEach(Host::join);
  }

  @Override
  public void close() {
    stopping = true;
    hosts.forEach(host -> host.thread.interrupt());
    hosts.forEach(Host::join);
  }

  /** Reads everything through one controller; the hosts must have stopped. */
  void verify(int controller) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    for (int volume = 0; volume < names.size(); volume++) {
      VolumeHistory history = histories.get(volume);
      try (HostConnection connection =
          new HostConnection(controllers, controller, names.get(volume), FAILOVER_DEADLINE)) {
        for (int sector = 0; sector < history.sectors(); sector += MAX_SECTORS) {
          int first = sector;
          int count = Math.min(MAX_SECTORS, history.sectors() - first);
          connection.run(client -> read(client, history, first, count, buffer));
        }
      } catch (AssertionError | TwinspanException e) {
        violation.compareAndSet(null, "at the end: " + e.getMessage());
      }
    }
  }

  /**
   * Sends a read and lets the answer be judged.
   *
   * @throws NbdDisconnectedException also if the answer is from before an outage
   */
  private void read(
      NbdClient client, VolumeHistory history, int sector, int count, ByteBuffer buffer) {
    int[] least = new int[count];
    long sentIn = begin(() -> history.beginRead(sector, least));
    buffer.clear().limit(count * VolumeHistory.SECTOR_BYTES);
    client.read((long) sector * VolumeHistory.SECTOR_BYTES, buffer);
    buffer.flip();
    answered(sentIn, () -> history.check(sector, least, MemorySegment.ofBuffer(buffer)));
    reads.incrementAndGet();
  }

  /** Notes what is known now; returns in which outage that is. */
  private long begin(Runnable note) {
    synchronized (outages) {
      note.run();
      return outage;
    }
  }

  private void answered(long sentIn, Runnable note) {
    synchronized (outages) {
      if (outage != sentIn) {
        throw new NbdDisconnectedException("the answer is from before the outage");
      }
      note.run();
    }
  }

  private abstract class Host implements Runnable {
    final int controller;
    final String volume;
    final VolumeHistory history;
    final Random random;
    final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    final Thread thread;

    /** When what was answered last was begun. */
    volatile long lastBegunNs = System.nanoTime();

    Host(String kind, int volume, int controller) {
      this.controller = controller;
      this.volume = names.get(volume);
      history = histories.get(volume);
      String name = "%s-%s-%d".formatted(kind, this.volume, controller);
      random = new Random(seed * 31 + name.hashCode());
      thread = Thread.ofPlatform().name(name).unstarted(this);
    }

    abstract void step();

    abstract void end();

    @Override
    public void run() {
      try {
        while (!stopping && violation.get() == null) {
          long begunNs = System.nanoTime();
          step();
          lastBegunNs = begunNs;
          LockSupport.parkNanos(PAUSE_NS);
        }
      } catch (AssertionError | RuntimeException e) {
        if (!Thread.currentThread().isInterrupted()) {
          String what = e.getMessage() == null ? e + " at " + e.getStackTrace()[0] : e.getMessage();
          violation.compareAndSet(null, thread.getName() + ": " + what);
        }
      } finally {
        end();
      }
    }

    final void join() {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Writes, reads and flushes, wherever it is served. */
  private final class Roamer extends Host {
    private final HostConnection connection;
    private int steps;

    Roamer(int volume, int controller) {
      super("roamer", volume, controller);
      connection =
          new HostConnection(controllers, controller, names.get(volume), FAILOVER_DEADLINE);
    }

    @Override
    void step() {
      int dice = random.nextInt(20);
      int most = random.nextInt(4) == 0 ? MAX_SECTORS : 2 * SECTORS_PER_BLOCK;
      int count = 1 + random.nextInt(most);
      int sector = random.nextInt(history.sectors() - MAX_SECTORS);
      if (random.nextInt(4) > 0) { // most hosts have file systems
        sector &= -SECTORS_PER_BLOCK;
        count = count + SECTORS_PER_BLOCK - 1 & -SECTORS_PER_BLOCK;
      }
      long begunNs = System.nanoTime();
      if (dice < 10) {
        write(sector, count, dice == 0);
      } else if (dice < 19) {
        int first = sector;
        int sectors = count;
        connection.run(client -> read(client, history, first, sectors, buffer));
      } else {
        flush();
      }
      longestNs.accumulateAndGet(System.nanoTime() - begunNs, Math::max);
      if (++steps % HOME_AFTER == 0) {
        connection.goHome();
      }
    }

    private void write(int sector, int count, boolean zero) {
      int[] versions = new int[count];
      if (!history.beginWrite(sector, zero, versions)) {
        return;
      }
      boolean force = random.nextInt(16) == 0;
      int length = count * VolumeHistory.SECTOR_BYTES;
      long offset = (long) sector * VolumeHistory.SECTOR_BYTES;
      buffer.clear().limit(length);
      history.stamp(sector, versions, MemorySegment.ofBuffer(buffer));
      connection.run(client -> {
        long sentIn = begin(() -> {});
        if (zero) {
          client.zero(offset, length);
        } else {
          client.write(offset, buffer.duplicate(), force);
        }
        answered(sentIn, () -> history.acknowledge(sector, versions, force && !zero));
      });
      history.endWrite(sector, count);
      writes.incrementAndGet();
    }

    private void flush() {
      connection.run(client -> {
        AtomicReference<int[]> safe = new AtomicReference<>();
        long sentIn = begin(() -> safe.set(history.beginFlush()));
        client.flush();
        answered(sentIn, () -> history.endFlush(safe.get()));
      });
      flushes.incrementAndGet();
    }

    @Override
    void end() {
      connection.close();
    }
  }

  /** Reads at its own controller only. */
  private final class Steadfast extends Host {
    private @Nullable NbdClient client;

    Steadfast(int volume, int controller) {
      super("steadfast", volume, controller);
    }

    @Override
    void step() {
      try {
        NbdClient current = client;
        if (current == null) {
          current = NbdClient.connect(controllers.get(controller), volume, STEADFAST_DEADLINE);
          client = current;
        }
        int count = 1 + random.nextInt(MAX_SECTORS);
        read(current, history, random.nextInt(history.sectors() - count), count, buffer);
      } catch (NbdDisconnectedException e) {
        end();
        LockSupport.parkNanos(10 * PAUSE_NS);
      }
    }

    @Override
    void end() {
      NbdClient current = client;
      client = null;
      if (current != null) {
        current.close();
      }
    }
  }
}
