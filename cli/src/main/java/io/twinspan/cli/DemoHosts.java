package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.target.nbd.NbdClient;
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
  private static final Duration FAILOVER_DEADLINE = Duration.ofSeconds(30);

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
      try (HostConnection host = connect(lane / VOLUMES.size(), lane)) {
        for (int slot = lane; slot < input.chunks(); slot += HOSTS) {
          input.read((slot + shift) % input.chunks(), data);
          long length = data.remaining();
          long begun = System.nanoTime();
          long offset = offset(slot);
          host.run(client -> client.write(offset, data.duplicate(), false));
          long ended = System.nanoTime();
          if (ended >= killedAtNs) {
            longestWriteNs.accumulateAndGet(ended - begun, Math::max);
          }
          acknowledged.accept(length);
        }
        host.run(NbdClient::flush);
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
      try (HostConnection host = connect(controller, lane)) {
        for (int slot = lane; slot < input.chunks(); slot += HOSTS) {
          input.read((slot + shift) % input.chunks(), expected);
          actual.clear().limit(expected.remaining());
          long offset = offset(slot);
          host.run(client -> client.read(offset, actual.duplicate()));
          actual.position(actual.limit());
          if (expected.mismatch(actual.flip()) != -1) {
            mismatches++;
          }
          verified.accept(expected.remaining());
        }
      }
      return mismatches;
    });
  }

  private HostConnection connect(int controller, int lane) {
    return new HostConnection(
        controllers, controller, VOLUMES.get(lane % VOLUMES.size()), FAILOVER_DEADLINE);
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
}
