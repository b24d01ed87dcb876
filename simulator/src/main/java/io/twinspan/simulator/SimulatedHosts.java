package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.pool.Drive;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Hosts that write and read through both controllers, and check each sector of 512 bytes: what was
 * acknowledged is there, nothing older comes after something newer was read, nothing that nobody
 * wrote. Writes to a sector follow each other; the n-th carries version n.
 */
final class SimulatedHosts {
  static final int SECTOR_BYTES = 512;
  private static final int SECTORS_PER_BLOCK = Drive.BLOCK_BYTES / SECTOR_BYTES;
  private static final List<MemorySegment> BUFFERS = new ArrayList<>();

  private final SimulatedArray array;
  private final Random random;
  private final List<Volume> volumes = new ArrayList<>();
  private final List<Request> open = new ArrayList<>();
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

  /** What is known of a volume's sectors. */
  static final class Volume {
    final int id;
    final int[] newest;
    final int[] floor;
    final int[] flushed;
    final boolean[] writing;
    final List<List<Integer>> zeros = new ArrayList<>();

    Volume(int id, int sectors) {
      this.id = id;
      newest = new int[sectors];
      floor = new int[sectors];
      flushed = new int[sectors];
      writing = new boolean[sectors];
      for (int i = 0; i < sectors; i++) {
        zeros.add(new ArrayList<>(List.of(0)));
      }
    }
  }

  private final class Request extends HostRequest {
    final SimulatedArray.Node node;
    final Volume target;
    final int sector;
    final int sectors;
    final int[] versions;
    final long startNs = array.clock.nanoTime();
    int[] flushFloor = new int[0];
    boolean submitted;

    Request(SimulatedArray.Node node, Volume target, HostOperation kind, int sector, int sectors) {
      this.node = node;
      this.target = target;
      this.sector = sector;
      this.sectors = sectors;
      operation = kind;
      volume = target.id;
      offset = (long) sector * SECTOR_BYTES;
      length = (long) sectors * SECTOR_BYTES;
      versions = new int[sectors];
      data = buffer();
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

  private static MemorySegment buffer() {
    return BUFFERS.isEmpty()
        ? Arena.global().allocate(HostRequest.MAX_BYTES, Drive.BLOCK_BYTES)
        : BUFFERS.removeLast();
  }

  void volume(int id, int blocks) {
    volumes.add(new Volume(id, blocks * SECTORS_PER_BLOCK));
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
    int total = volume.newest.length;
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
    boolean writes = kind == HostOperation.WRITE || kind == HostOperation.ZERO;
    if (writes && isWriting(volume, sector, count)) {
      return;
    }
    Request request = new Request(node, volume, kind, sector, count);
    request.forceUnitAccess = writes && random.nextInt(16) == 0;
    if (writes) {
      write(request);
    } else if (kind == HostOperation.READ) {
      System.arraycopy(volume.floor, sector, request.versions, 0, count);
      request.data.asSlice(0, request.length).fill((byte) 0xEE);
    } else {
      request.flushFloor = volume.floor.clone();
    }
    add(request);
    submitWaiting(node);
  }

  private static boolean isWriting(Volume volume, int sector, int count) {
    boolean writing = false;
    for (int i = sector; i < sector + count; i++) {
      writing |= volume.writing[i];
    }
    return writing;
  }

  private static void write(Request request) {
    Volume volume = request.target;
    for (int i = 0; i < request.sectors; i++) {
      int sector = request.sector + i;
      volume.writing[sector] = true;
      int version = ++volume.newest[sector];
      request.versions[i] = version;
      if (request.operation == HostOperation.ZERO) {
        volume.zeros.get(sector).add(version);
      } else {
        long stamp = (long) sector << 32 | version;
        for (int at = 0; at < SECTOR_BYTES; at += 8) {
          request.data.set(ValueLayout.JAVA_LONG, (long) i * SECTOR_BYTES + at, stamp);
        }
      }
    }
  }

  private void ended(Request request, HostStatus status) {
    Volume volume = request.target;
    boolean writes = release(request);
    switch (status) {
      case OK -> {
        acknowledged++;
        if (writes) {
          for (int i = 0; i < request.sectors; i++) {
            int sector = request.sector + i;
            volume.floor[sector] = Math.max(volume.floor[sector], request.versions[i]);
            if (request.forceUnitAccess) {
              volume.flushed[sector] = Math.max(volume.flushed[sector], request.versions[i]);
            }
          }
        } else if (request.operation == HostOperation.READ) {
          check(request);
        } else {
          for (int i = 0; i < volume.flushed.length; i++) {
            volume.flushed[i] = Math.max(volume.flushed[i], request.flushFloor[i]);
          }
          int pool = volume.id >>> 24;
          flushBeganNs[pool] = Math.max(flushBeganNs[pool], request.startNs);
        }
      }
      case SHUTDOWN -> refused++;
      case NO_SPACE -> noSpace++;
      default ->
          throw new AssertionError(
              request.operation
                  + " of "
                  + request.length
                  + " at "
                  + request.offset
                  + " of volume "
                  + Integer.toHexString(request.volume)
                  + " through "
                  + request.node.name
                  + ": "
                  + status);
    }
    BUFFERS.add(request.data);
  }

  /** Others may write there again; whether the request was a write. */
  private static boolean release(Request request) {
    boolean writes =
        request.operation == HostOperation.WRITE || request.operation == HostOperation.ZERO;
    if (writes) {
      Arrays.fill(request.target.writing, request.sector, request.sector + request.sectors, false);
    }
    return writes;
  }

  private void check(Request request) {
    reads++;
    Volume volume = request.target;
    for (int i = 0; i < request.sectors; i++) {
      int sector = request.sector + i;
      long stamp = request.data.get(ValueLayout.JAVA_LONG, (long) i * SECTOR_BYTES);
      for (int at = 8; at < SECTOR_BYTES; at += 8) {
        if (request.data.get(ValueLayout.JAVA_LONG, (long) i * SECTOR_BYTES + at) != stamp) {
          throw new AssertionError(describe(request, sector) + ": a torn sector");
        }
      }
      int low = request.versions[i];
      int version = (int) stamp;
      if (stamp == 0) {
        version =
            volume.zeros.get(sector).stream().filter(zero -> zero >= low).findFirst().orElse(-1);
      } else if (stamp >>> 32 != sector || volume.zeros.get(sector).contains(version)) {
        throw new AssertionError(
            describe(request, sector) + ": nobody wrote " + Long.toHexString(stamp));
      }
      if (version < low || version > volume.newest[sector]) {
        throw new AssertionError(
            describe(request, sector)
                + ": version "
                + (stamp == 0 ? "zero" : version)
                + " after "
                + low
                + " was acknowledged or read");
      }
      volume.floor[sector] = Math.max(volume.floor[sector], version);
    }
  }

  private static String describe(Request request, int sector) {
    return "sector "
        + sector
        + " of volume "
        + Integer.toHexString(request.volume)
        + " through "
        + request.node.name;
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
      if (volume.id >>> 24 == pool) {
        System.arraycopy(volume.flushed, 0, volume.floor, 0, volume.floor.length);
        // Of the versions since then, any may be there; a later read tells.
      }
    }
  }

  /** Reads everything through one controller. */
  void verify(SimulatedArray.Node node) {
    for (Volume volume : volumes) {
      int total = volume.newest.length;
      for (int sector = 0; sector < total; sector += 256) {
        Request request =
            new Request(node, volume, HostOperation.READ, sector, Math.min(256, total - sector));
        System.arraycopy(volume.floor, sector, request.versions, 0, request.sectors);
        add(request);
      }
      drain();
    }
  }
}
