package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdDisconnectedException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Hosts that write and read through both controllers at once and hold every answer against what
 * they know.
 *
 * <p>For each pair of volume and controller there are a writer and a reader. Every block belongs to
 * one writer, which gives it ever higher versions. A host whose controller goes away goes on at the
 * other one, sends again what was not acknowledged, and after a while returns. A read must bring,
 * for each block, a version that is
 *
 * <ul>
 *   <li>not older than the last one that was acknowledged before the read began,
 *   <li>not older than any that an earlier read brought,
 *   <li>not newer than the last one that was sent,
 *   <li>whole, and written for this place.
 * </ul>
 */
final class HostLoad implements AutoCloseable {
  /** Blocks of one command at most, aligned: 128 KiB. Groups belong to the two writers in turn. */
  private static final int GROUP = 32;

  private static final Duration ANSWER_DEADLINE = Duration.ofSeconds(2);
  private static final Duration FAILOVER_DEADLINE = Duration.ofSeconds(60);
  private static final int RETURN_AFTER = 200;
  private static final long PAUSE_NS = 200_000;

  private final long seed;
  private final int blocks;
  private final List<Volume> volumes = new ArrayList<>();
  private final List<SocketAddress> tcp;
  private final List<SocketAddress> unix;
  private final List<Host> hosts = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final AtomicBoolean stopping = new AtomicBoolean();
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final AtomicLong longestWriteNs = new AtomicLong();
  private final AtomicLong writes = new AtomicLong();
  private final AtomicLong reads = new AtomicLong();
  private final AtomicLong moves = new AtomicLong();

  /** What is known of a volume's blocks, by block: versions. */
  private static final class Volume {
    final int index;
    final String name;
    final AtomicLongArray sent;
    final AtomicLongArray acknowledged;
    final AtomicLongArray seen;

    Volume(int index, String name, int blocks) {
      this.index = index;
      this.name = name;
      sent = new AtomicLongArray(blocks);
      acknowledged = new AtomicLongArray(blocks);
      seen = new AtomicLongArray(blocks);
    }
  }

  /**
   * Creates the hosts, which do not run yet.
   *
   * @param volumes names; all blocks that will be used must be zero
   * @param bytes of each volume that are used: few, so that blocks are overwritten often
   */
  HostLoad(TestArray array, List<String> volumes, long bytes, long seed) {
    this.seed = seed;
    blocks = Math.toIntExact(bytes / StampedBlock.BYTES / GROUP * GROUP);
    for (String name : volumes) {
      this.volumes.add(new Volume(this.volumes.size(), name, blocks));
    }
    tcp = List.of(array.nbd("a"), array.nbd("b"));
    unix = List.of(array.nbdUnix("a"), array.nbdUnix("b"));
  }

  HostLoad start() {
    for (Volume volume : volumes) {
      for (int controller = 0; controller < 2; controller++) {
        hosts.add(new Writer(volume, controller));
        hosts.add(new Reader(volume, controller));
      }
    }
    for (Host host : hosts) {
      threads.add(Thread.ofPlatform().name(host.name).start(host));
    }
    return this;
  }

  /** Waits until every host has done something that it began after now. */
  void awaitProgress() {
    long now = System.nanoTime();
    TestArray.await(
        "every host to get on",
        () -> {
          throwFailure();
          return hosts.stream().allMatch(host -> host.lastBegunNs - now > 0);
        });
  }

  /** Longest write, from first sending to acknowledgement, since it was last asked for. */
  long takeLongestStallMs() {
    return longestWriteNs.getAndSet(0) / 1_000_000;
  }

  void throwFailure() {
    Throwable first = failure.get();
    if (first != null) {
      throw new AssertionError("seed " + seed + ": " + first.getMessage(), first);
    }
  }

  /** Ends all hosts and tells what went wrong. */
  void stop() {
    stopping.set(true);
    for (Thread thread : threads) {
      try {
        thread.join(FAILOVER_DEADLINE.toMillis());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      if (thread.isAlive()) {
        failure.compareAndSet(null, new AssertionError(thread.getName() + " does not end"));
        thread.interrupt();
      }
    }
    throwFailure();
  }

  @Override
  public void close() {
    stopping.set(true);
    threads.forEach(Thread::interrupt);
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Reads everything through one controller; all writers must have stopped. */
  void verifyAll(int controller) {
    long written = 0;
    for (Volume volume : volumes) {
      try (NbdClient client =
          NbdClient.connect(unix.get(controller), volume.name, ANSWER_DEADLINE.multipliedBy(10))) {
        ByteBuffer data = ByteBuffer.allocate(GROUP * StampedBlock.BYTES);
        for (int block = 0; block < blocks; block += GROUP) {
          readAndCheck(client, volume, block, GROUP, data);
          for (int i = block; i < block + GROUP; i++) {
            assertThat(volume.seen.get(i))
                .as("seed %d: %s block %d", seed, volume.name, i)
                .isEqualTo(volume.acknowledged.get(i));
            written += volume.acknowledged.get(i) > 0 ? 1 : 0;
          }
        }
      }
    }
    assertThat(written).as("blocks that were written at all").isPositive();
  }

  /** Reads random blocks on a connection of the caller's and checks them. */
  void readAndCheck(NbdClient client, int volume, Random random) {
    ByteBuffer data = ByteBuffer.allocate(GROUP * StampedBlock.BYTES);
    int group = random.nextInt(blocks / GROUP) * GROUP;
    readAndCheck(client, volumes.get(volume), group, GROUP, data);
  }

  private void readAndCheck(
      NbdClient client, Volume volume, int first, int count, ByteBuffer data) {
    long[] atLeast = new long[count];
    for (int i = 0; i < count; i++) {
      int block = first + i;
      atLeast[i] = Math.max(volume.acknowledged.get(block), volume.seen.get(block));
    }
    client.read((long) first * StampedBlock.BYTES, data.clear().limit(count * StampedBlock.BYTES));
    data.flip();
    for (int i = 0; i < count; i++) {
      int block = first + i;
      long version = StampedBlock.version(data, volume.index, block / GROUP % 2, block);
      if (version < atLeast[i] || version > volume.sent.get(block)) {
        throw new AssertionError(
            "%s block %d: read version %d, but %d was acknowledged, %d was read before, %d was sent"
                .formatted(
                    volume.name,
                    block,
                    version,
                    volume.acknowledged.get(block),
                    volume.seen.get(block),
                    volume.sent.get(block)));
      }
      volume.seen.accumulateAndGet(block, version, Math::max);
    }
  }

  @Override
  public String toString() {
    return "%d writes, %d reads, %d changes of controller"
        .formatted(writes.get(), reads.get(), moves.get());
  }

  /** A host: one connection at a time. */
  private abstract class Host implements Runnable {
    final String name;
    final Volume volume;
    final int home;
    final Random random;
    final List<SocketAddress> addresses;
    volatile long lastBegunNs = Long.MIN_VALUE / 2;
    private @Nullable NbdClient client;
    private int controller;
    private int away;

    Host(String what, Volume volume, int home, List<SocketAddress> addresses) {
      this.name = what + "-" + volume.name + "-" + TestArray.CONTROLLERS.get(home);
      this.volume = volume;
      this.home = home;
      this.controller = home;
      this.addresses = addresses;
      this.random = new Random(seed * 31 + name.hashCode());
    }

    @Override
    public void run() {
      try {
        while (!stopping.get()) {
          long begun = System.nanoTime();
          step(begun);
          lastBegunNs = begun;
          goHome();
          LockSupport.parkNanos(PAUSE_NS);
        }
      } catch (RuntimeException | AssertionError e) {
        if (!Thread.currentThread().isInterrupted()) {
          failure.compareAndSet(
              null, new AssertionError(Instant.now() + " " + name + ": " + e.getMessage(), e));
        }
        stopping.set(true);
      } finally {
        if (client != null) {
          client.close();
        }
      }
    }

    abstract void step(long begunNs);

    /** Runs a request until a controller has answered it. */
    void retrying(java.util.function.Consumer<NbdClient> request) {
      long deadline = System.nanoTime() + FAILOVER_DEADLINE.toNanos();
      while (true) {
        try {
          NbdClient current = client;
          if (current == null) {
            current = NbdClient.connect(addresses.get(controller), volume.name, ANSWER_DEADLINE);
            client = current;
          }
          request.accept(current);
          return;
        } catch (NbdDisconnectedException e) {
          if (System.nanoTime() > deadline || Thread.currentThread().isInterrupted()) {
            throw new AssertionError("no controller answers: " + e.getMessage(), e);
          }
          leave();
          controller = 1 - controller;
          moves.incrementAndGet();
          LockSupport.parkNanos(2_000_000);
        }
      }
    }

    private void leave() {
      if (client != null) {
        client.close();
        client = null;
      }
    }

    /** After some time at the other controller its own one may be back. */
    private void goHome() {
      if (controller == home || ++away < RETURN_AFTER) {
        return;
      }
      away = 0;
      try {
        NbdClient there = NbdClient.connect(addresses.get(home), volume.name, ANSWER_DEADLINE);
        leave();
        client = there;
        controller = home;
      } catch (NbdDisconnectedException e) {
        away = 0; // not yet
      }
    }
  }

  private final class Writer extends Host {
    private final ByteBuffer data = ByteBuffer.allocateDirect(GROUP * StampedBlock.BYTES);
    private long version;

    Writer(Volume volume, int home) {
      super("writer", volume, home, tcp);
    }

    @Override
    void step(long begunNs) {
      int group = random.nextInt(blocks / GROUP / 2) * 2 + home;
      int count = random.nextInt(4) == 0 ? 1 + random.nextInt(GROUP) : 1;
      int first = group * GROUP + random.nextInt(GROUP - count + 1);
      boolean force = random.nextInt(16) == 0;
      version++;
      data.clear();
      for (int block = first; block < first + count; block++) {
        StampedBlock.put(data, volume.index, home, block, version);
        volume.sent.set(block, version);
      }
      data.flip();
      retrying(client -> client.write((long) first * StampedBlock.BYTES, data.duplicate(), force));
      for (int block = first; block < first + count; block++) {
        volume.acknowledged.set(block, version);
      }
      longestWriteNs.accumulateAndGet(System.nanoTime() - begunNs, Math::max);
      writes.incrementAndGet();
      if (random.nextInt(64) == 0) {
        retrying(NbdClient::flush);
      }
    }
  }

  private final class Reader extends Host {
    private final ByteBuffer data = ByteBuffer.allocateDirect(GROUP * StampedBlock.BYTES);

    Reader(Volume volume, int home) {
      super("reader", volume, home, unix);
    }

    @Override
    void step(long begunNs) {
      int count = random.nextInt(4) == 0 ? GROUP : 1;
      int first = random.nextInt(blocks / GROUP) * GROUP + random.nextInt(GROUP - count + 1);
      retrying(client -> readAndCheck(client, volume, first, count, data));
      reads.incrementAndGet();
    }
  }
}
