package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdDisconnectedException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * The demo's hosts: four threads, one for each pair of volume and controller, each with one NBD
 * connection, that write or verify every fourth chunk of the input. A host whose controller dies
 * goes on at the other one and sends again what was not acknowledged.
 */
final class DemoHosts {
  /** Volumes that the chunks are spread over. */
  static final List<String> VOLUMES = List.of("alpha", "beta");

  private static final int HOSTS = 4;
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);
  private static final Duration FAILOVER_DEADLINE = Duration.ofSeconds(30);
  private static final long RETRY_MS = 2;

  private final DemoInput input;
  private final List<SocketAddress> controllers;
  private final AtomicLong longestWriteNs = new AtomicLong();
  private volatile long killedAtNs = Long.MAX_VALUE;

  /**
   * Creates the hosts.
   *
   * @param controllers NBD addresses of a and b, without an export
   */
  DemoHosts(DemoInput input, List<SocketAddress> controllers) {
    this.input = input;
    this.controllers = List.copyOf(controllers);
  }

  /** From now on the longest write is measured among those that end after a kill. */
  void killNow() {
    killedAtNs = System.nanoTime();
  }

  /**
   * Longest write, from its first sending to its acknowledgement, that ended after the kill;
   * forgets it and the kill.
   */
  long takeLongestStallNs() {
    killedAtNs = Long.MAX_VALUE;
    return longestWriteNs.getAndSet(0);
  }

  /** Size of each volume in bytes. */
  static long volumeBytes(DemoInput input) {
    long slots = (input.chunks() + 1L) / VOLUMES.size() + 1;
    return slots * DemoInput.CHUNK_BYTES;
  }

  /**
   * Writes the whole input through both controllers.
   *
   * @param shift by how many chunks the content is turned against the places, so that passes differ
   * @param acknowledged told the bytes of each write that was acknowledged
   */
  void write(int shift, LongConsumer acknowledged) {
    inParallel(lane -> {
      ByteBuffer data = ByteBuffer.allocateDirect(DemoInput.CHUNK_BYTES);
      try (Host host = new Host(lane / VOLUMES.size(), VOLUMES.get(lane % VOLUMES.size()))) {
        for (int slot = lane; slot < input.chunks(); slot += HOSTS) {
          input.read((slot + shift) % input.chunks(), data);
          long length = data.remaining();
          long begun = System.nanoTime();
          host.write(offset(slot), data);
          long ended = System.nanoTime();
          if (ended >= killedAtNs) {
            longestWriteNs.accumulateAndGet(ended - begun, Math::max);
          }
          acknowledged.accept(length);
        }
        host.flush();
      }
      return 0L;
    });
  }

  /**
   * Reads everything back through one controller and compares it with the input.
   *
   * @param controller 0 or 1
   * @param verified told the bytes of each chunk that was compared
   * @return number of chunks that differ
   */
  long verify(int controller, int shift, LongConsumer verified) {
    return inParallel(lane -> {
      long mismatches = 0;
      ByteBuffer expected = ByteBuffer.allocateDirect(DemoInput.CHUNK_BYTES);
      ByteBuffer actual = ByteBuffer.allocateDirect(DemoInput.CHUNK_BYTES);
      try (Host host = new Host(controller, VOLUMES.get(lane % VOLUMES.size()))) {
        for (int slot = lane; slot < input.chunks(); slot += HOSTS) {
          input.read((slot + shift) % input.chunks(), expected);
          actual.clear().limit(expected.remaining());
          host.read(offset(slot), actual);
          if (expected.mismatch(actual.flip()) != -1) {
            mismatches++;
          }
          verified.accept(expected.remaining());
        }
      }
      return mismatches;
    });
  }

  private static long offset(int slot) {
    return (long) (slot / VOLUMES.size()) * DemoInput.CHUNK_BYTES;
  }

  private interface Lane {
    long run(int lane);
  }

  private static long inParallel(Lane work) {
    try (ExecutorService threads =
        Executors.newFixedThreadPool(HOSTS, Thread.ofPlatform().name("host-", 0).factory())) {
      List<Future<Long>> lanes = new ArrayList<>();
      for (int lane = 0; lane < HOSTS; lane++) {
        int number = lane;
        lanes.add(threads.submit(() -> work.run(number)));
      }
      long sum = 0;
      for (Future<Long> lane : lanes) {
        sum += lane.get();
      }
      return sum;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof TwinspanException known) {
        throw known;
      }
      throw new TwinspanException("a host of the demo failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    }
  }

  /** One connection, moved to the other controller when the one in use goes away. */
  private final class Host implements AutoCloseable {
    private final String volume;
    private int controller;
    private NbdClient client;

    Host(int controller, String volume) {
      this.controller = controller;
      this.volume = volume;
      this.client = connect();
    }

    void write(long offset, ByteBuffer data) {
      retrying(() -> client.write(offset, data.duplicate(), false));
    }

    void read(long offset, ByteBuffer into) {
      retrying(() -> client.read(offset, into.duplicate()));
      into.position(into.limit());
    }

    void flush() {
      retrying(() -> client.flush());
    }

    private void retrying(Runnable request) {
      while (true) {
        try {
          request.run();
          return;
        } catch (NbdDisconnectedException e) {
          client.close();
          controller = 1 - controller;
          client = connect();
        }
      }
    }

    private NbdClient connect() {
      long deadline = System.nanoTime() + FAILOVER_DEADLINE.toNanos();
      while (true) {
        try {
          return NbdClient.connect(controllers.get(controller), volume, CONNECT_TIMEOUT);
        } catch (NbdDisconnectedException e) {
          if (System.nanoTime() > deadline) {
            throw new TwinspanException(
                "neither controller took volume "
                    + volume
                    + " within "
                    + FAILOVER_DEADLINE.toSeconds()
                    + " s: "
                    + e.getMessage(),
                e);
          }
          controller = 1 - controller;
          pause();
        }
      }
    }

    private static void pause() {
      try {
        Thread.sleep(RETRY_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new TwinspanException("interrupted", e);
      }
    }

    @Override
    public void close() {
      client.close();
    }
  }
}
