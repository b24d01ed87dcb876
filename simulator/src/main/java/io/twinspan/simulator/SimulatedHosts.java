package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.pool.Drive;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Hosts that write and read through both controllers; {@link VolumeHistory} judges what they get.
 */
final class SimulatedHosts {
  static final int SECTOR_BYTES = VolumeHistory.SECTOR_BYTES;
  private static final int SECTORS_PER_BLOCK = Drive.BLOCK_BYTES / SECTOR_BYTES;

  private final SimulatedArray array;
  private final Random random;
  private final List<Volume> volumes = new ArrayList<>();
  private final List<Request> open = new ArrayList<>();

  /** Free; what requests of dead controllers had is not among them, drives may write there. */
  private final List<MemorySegment> buffers = new ArrayList<>();

  int depth = 6;
  int maxSectors = 64;
  long acknowledged;
  long reads;
  long refused;
  long noSpace;
  private long longestNs;

  /** While true no requests are begun. */
  boolean resting;

  private final int[] openAt = new int[2];
  private final long[] flushBeganNs = new long[ArrayNode.POOLS];

  /** Requests that no controller has taken yet. */
  private int waiting;

  /** A volume and what is known of it. */
  private record Volume(int id, VolumeHistory history) {}

  private final class Request extends HostRequest {
    final SimulatedArray.Node node;
    final Volume target;
    final int sector;
    final int[] versions;
    final long startNs = array.clock.nanoTime();
    int[] flushFloor = new int[0];
    boolean submitted;

    Request(SimulatedArray.Node node, Volume target, HostOperation kind, int sector, int sectors) {
      this.node = node;
      this.target = target;
      this.sector = sector;
      operation = kind;
      volume = target.id();
      offset = (long) sector * SECTOR_BYTES;
      length = (long) sectors * SECTOR_BYTES;
      versions = new int[sectors];
      data = buffer();
    }

    boolean isWrite() {
      return operation == HostOperation.WRITE || operation == HostOperation.ZERO;
    }

    @Override
    public void completed(HostStatus status) {
      if (!open.remove(this)) {
        throw new AssertionError("completed twice, or after its controller died");
      }
      openAt[node.index]--;
      longestNs = Math.max(longestNs, array.clock.nanoTime() - startNs);
      ended(this, status);
    }
  }

  SimulatedHosts(SimulatedArray array, long seed) {
    this.array = array;
    random = new Random(seed);
  }

  private MemorySegment buffer() {
    return buffers.isEmpty() ? array.memory.take(HostRequest.MAX_BYTES) : buffers.removeLast();
  }

  void volume(int id, int blocks) {
    VolumeHistory history = new VolumeHistory(volumes.size(), blocks * SECTORS_PER_BLOCK);
    volumes.add(new Volume(id, history));
  }

  boolean isIdle() {
    return open.isEmpty();
  }

  long longestMicros() {
    return longestNs / 1000;
  }

  /** When the last flush of a pool began that was acknowledged. */
  long flushBeganNs(int pool) {
    return flushBeganNs[pool];
  }

  /** Hosts begin new requests at controllers that live. */
  void work() {
    for (int i = 0; i < 2; i++) {
      SimulatedArray.Node node = array.node(i);
      if (node.isAlive() && !node.paused) {
        submitWaiting(node);
        if (!resting && openAt[i] < depth && random.nextInt(3) == 0) {
          begin(node);
        }
      }
    }
  }

  void drain() {
    array.runUntil(
        () -> {
          for (int i = 0; i < 2; i++) {
            if (array.node(i).isAlive()) {
              submitWaiting(array.node(i));
            }
          }
          return open.isEmpty();
        },
        "hosts' requests answered");
  }

  /** Whether {@link #work} would do nothing, whatever the dice say, until something happens. */
  boolean isQuiet() {
    boolean quiet = waiting == 0;
    for (int i = 0; i < 2 && !resting; i++) {
      SimulatedArray.Node node = array.node(i);
      quiet &= !node.isAlive() || node.paused || openAt[i] >= depth;
    }
    return quiet;
  }

  private void add(Request request) {
    open.add(request);
    openAt[request.node.index]++;
    waiting++;
  }

  private void submitWaiting(SimulatedArray.Node node) {
    if (waiting == 0) {
      return;
    }
    for (Request request : List.copyOf(open)) {
      if (request.node == node && !request.submitted) {
        request.submitted = true;
        request.submitted = node.node().submit(request) || !open.contains(request);
        waiting -= request.submitted ? 1 : 0;
      }
    }
  }

  private void begin(SimulatedArray.Node node) {
    Volume volume = volumes.get(random.nextInt(volumes.size()));
    int total = volume.history().sectors();
    int most = random.nextInt(4) == 0 ? maxSectors : 16;
    int count = Math.min(1 + random.nextInt(most), total);
    int sector = random.nextInt(total - count + 1);
    if (random.nextBoolean()) {
      sector &= -SECTORS_PER_BLOCK;
      count = Math.min((count + 7) & -SECTORS_PER_BLOCK, total - sector);
    }
    int dice = random.nextInt(20);
    HostOperation kind =
        dice < 9
            ? HostOperation.WRITE
            : dice < 17 ? HostOperation.READ : dice < 18 ? HostOperation.FLUSH : HostOperation.ZERO;
    Request request = new Request(node, volume, kind, sector, count);
    if (request.isWrite()) {
      boolean zero = kind == HostOperation.ZERO;
      if (!volume.history().beginWrite(sector, zero, request.versions)) {
        buffers.add(request.data);
        return;
      }
      request.forceUnitAccess = random.nextInt(16) == 0;
      if (!zero) {
        volume.history().stamp(sector, request.versions, request.data);
      }
    } else if (kind == HostOperation.READ) {
      volume.history().beginRead(sector, request.versions);
      request.data.asSlice(0, request.length).fill((byte) 0xEE);
    } else {
      request.flushFloor = volume.history().beginFlush();
    }
    add(request);
    submitWaiting(node);
  }

  private void ended(Request request, HostStatus status) {
    VolumeHistory history = request.target.history();
    release(request);
    switch (status) {
      case OK -> {
        acknowledged++;
        if (request.isWrite()) {
          history.acknowledge(request.sector, request.versions, request.forceUnitAccess);
        } else if (request.operation == HostOperation.READ) {
          reads++;
          check(request);
        } else {
          history.endFlush(request.flushFloor);
          int pool = request.volume >>> 24;
          flushBeganNs[pool] = Math.max(flushBeganNs[pool], request.startNs);
        }
      }
      case SHUTDOWN -> refused++;
      case NO_SPACE -> noSpace++;
      default -> throw new AssertionError(describe(request) + ": " + status);
    }
    buffers.add(request.data);
  }

  /** Others may write there again. */
  private static void release(Request request) {
    if (request.isWrite()) {
      request.target.history().endWrite(request.sector, request.versions.length);
    }
  }

  private static void check(Request request) {
    try {
      request.target.history().check(request.sector, request.versions, request.data);
    } catch (AssertionError e) {
      throw new AssertionError(describe(request) + ": " + e.getMessage(), e);
    }
  }

  private static String describe(Request request) {
    return "%s of %d at %d of volume %x through %s"
        .formatted(
            request.operation, request.length, request.offset, request.volume, request.node.name);
  }

  /** The controller is dead: what its hosts had asked for may have been done, or not. */
  void died(SimulatedArray.Node node) {
    for (Request request : List.copyOf(open)) {
      if (request.node == node) {
        open.remove(request);
        openAt[node.index]--;
        waiting -= request.submitted ? 0 : 1;
        release(request);
      }
    }
  }

  /** Everything lost power: what was flushed must be there, what came after may be. */
  void powerCut() {
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      bothDied(pool);
    }
  }

  /** The last memory with a pool's log is gone: what was flushed must be there, the rest may be. */
  void bothDied(int pool) {
    for (Volume volume : volumes) {
      if (volume.id() >>> 24 == pool) {
        volume.history().memoryIsLost();
      }
    }
    for (Request request : open) {
      VolumeHistory history = request.target.history();
      if (request.volume >>> 24 == pool && request.operation == HostOperation.READ) {
        history.forgive(request.sector, request.versions);
      } else if (request.volume >>> 24 == pool && request.operation == HostOperation.FLUSH) {
        history.forgive(0, request.flushFloor);
      }
    }
  }

  /** Reads everything through one controller. */
  void verify(SimulatedArray.Node node) {
    for (Volume volume : volumes) {
      int total = volume.history().sectors();
      for (int sector = 0; sector < total; sector += 256) {
        Request request =
            new Request(node, volume, HostOperation.READ, sector, Math.min(256, total - sector));
        volume.history().beginRead(sector, request.versions);
        add(request);
      }
      drain();
    }
  }
}
