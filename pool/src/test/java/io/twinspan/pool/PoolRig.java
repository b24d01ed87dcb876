package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Simulated drives with a {@link DrivePool} on them, and calls that run both until the answer is
 * there.
 */
final class PoolRig {
  static final long ARRAY = 0x5eed;
  static final PoolOptions SMALL =
      new PoolOptions(16, 32, 4, 4, 8, 64, 1 << 20, 64, Redundancy.MIRROR);
  private static final int LIMIT = 200_000;
  private static final MemorySegment MEMORY =
      Arena.global().allocate(DrivePool.MEMORY_BYTES, Drive.BLOCK_BYTES);
  private static final MemorySegment EXPECTED = Arena.global().allocate(Drive.BLOCK_BYTES, 8);
  private static final ArrayDeque<MemorySegment> BUFFERS = new ArrayDeque<>();

  final List<SimulatedMedium> media = new ArrayList<>();
  final List<SimulatedDrive> drives = new ArrayList<>();
  PoolOptions options = SMALL;
  DrivePool pool;

  /** Drives that are pulled for good, by index. */
  final BitSet pulled = new BitSet();

  /** What scrub and rebuild may read in each round. */
  int backgroundBlocks;

  int maxDelayTicks;
  int queueDepth = 64;
  int maxTransferBlocks = 256;
  private long nextHost = 1;

  /** A data request that keeps its answer. */
  static final class Request extends PoolRequest {
    PoolStatus status;
    int answers;

    @Override
    public void completed(PoolStatus result) {
      status = result;
      answers++;
    }
  }

  PoolRig(int driveCount, long blocks, long seed) {
    for (int i = 0; i < driveCount; i++) {
      media.add(new SimulatedMedium("drive" + i, blocks, seed * 31 + i));
    }
    attach();
  }

  /** A controller that never saw these drives before: new ports, a closed pool. */
  void attach() {
    drives.clear();
    long host = nextHost++;
    for (SimulatedMedium medium : media) {
      drives.add(
          medium
              .port(host)
              .maxDelayTicks(maxDelayTicks)
              .queueDepth(queueDepth)
              .maxTransferBlocks(maxTransferBlocks));
    }
    pulled.stream().forEach(i -> drives.get(i).remove());
    pool = new DrivePool(0, drives, MEMORY, options);
  }

  /**
   * The controller dies; commands that it left in the drives take effect or not, then nobody is
   * left to send any.
   */
  void controllerDies() {
    drives.forEach(SimulatedDrive::die);
    for (int i = 0; i < 100; i++) {
      media.forEach(SimulatedMedium::workOnOrphans);
    }
    attach();
  }

  void powerCut() {
    media.forEach(SimulatedMedium::powerCut);
    attach();
  }

  int work() {
    if (backgroundBlocks > 0) {
      pool.allowBackgroundReads(backgroundBlocks);
    }
    int work = pool.doWork();
    for (SimulatedDrive drive : drives) {
      work += drive.doWork();
    }
    return work;
  }

  private interface Condition {
    boolean met();
  }

  /** Lets scrub and rebuild come to their end. */
  void runBackground() {
    backgroundBlocks = 32;
    runUntil(() -> !pool.wantsBackgroundReads());
    backgroundBlocks = 0;
  }

  private void runUntil(Condition condition) {
    for (int i = 0; i < LIMIT; i++) {
      if (condition.met()) {
        return;
      }
      work();
    }
    throw new AssertionError("no answer after " + LIMIT + " rounds");
  }

  /** A control operation of the pool. */
  interface Control {
    void start(PoolCompletion completion);
  }

  PoolStatus run(Control control) {
    List<PoolStatus> answers = new ArrayList<>();
    control.start(answers::add);
    assertThat(answers).isEmpty();
    runUntil(() -> !answers.isEmpty());
    assertThat(answers).hasSize(1);
    return answers.getFirst();
  }

  PoolRig formatted() {
    assertThat(run(c -> pool.format(ARRAY, c))).isEqualTo(PoolStatus.OK);
    assertThat(open(true)).isEqualTo(PoolStatus.OK);
    return this;
  }

  PoolStatus open(boolean stayedPowered) {
    return run(c -> pool.open(ARRAY, 1, stayedPowered, c));
  }

  PoolStatus close() {
    PoolStatus status = run(c -> pool.close(c));
    assertThat(drives).allMatch(drive -> drive.pending() == 0);
    return status;
  }

  int create(String name, int blocks) {
    assertThat(run(c -> pool.createVolume(name, (long) blocks * Drive.BLOCK_BYTES, c)))
        .isEqualTo(PoolStatus.OK);
    return pool.volumes().stream()
        .filter(v -> v.name().equals(name))
        .findFirst()
        .orElseThrow()
        .id();
  }

  // ---- data ----

  static MemorySegment buffer() {
    MemorySegment buffer = BUFFERS.poll();
    return buffer != null
        ? buffer
        : Arena.global().allocate((long) Pool.MAX_IO_BLOCKS * Drive.BLOCK_BYTES, Drive.BLOCK_BYTES);
  }

  static void recycle(Request request) {
    BUFFERS.add(request.data);
    request.data = MemorySegment.NULL;
  }

  static Request request(PoolOperation operation, int volume, long block, int count) {
    Request request = new Request();
    request.operation = operation;
    request.volume = volume;
    request.block = block;
    request.blockCount = count;
    request.data = buffer();
    return request;
  }

  /** A write whose block i carries the tag {@code tag + i}. */
  static Request write(int volume, long block, int count, long tag) {
    Request request = request(PoolOperation.WRITE, volume, block, count);
    for (int i = 0; i < count; i++) {
      MemorySegment data = request.data.asSlice((long) i * Drive.BLOCK_BYTES, Drive.BLOCK_BYTES);
      stamp(data, tag + i);
      CRC32C crc = new CRC32C();
      crc.update(data.asByteBuffer());
      request.checksums[i] = (int) crc.getValue();
    }
    return request;
  }

  private static void stamp(MemorySegment data, long tag) {
    data.fill((byte) tag);
    data.set(ValueLayout.JAVA_LONG, 0, tag);
    data.set(ValueLayout.JAVA_LONG, 2048, tag);
    data.set(ValueLayout.JAVA_LONG, 4088, tag);
  }

  /** The tag that a block carries; 0 for zeros; fails for anything that nobody wrote. */
  static long tag(Request read, int index) {
    MemorySegment data = read.data.asSlice((long) index * Drive.BLOCK_BYTES, Drive.BLOCK_BYTES);
    long tag = data.get(ValueLayout.JAVA_LONG, 0);
    stamp(EXPECTED, tag);
    if (data.mismatch(EXPECTED) >= 0) {
      throw new AssertionError("block " + index + " holds what nobody wrote");
    }
    return tag;
  }

  PoolStatus await(Request request) {
    runUntil(() -> request.answers > 0);
    assertThat(request.answers).isOne();
    return request.status;
  }

  PoolStatus run(Request request) {
    runUntil(() -> pool.submit(request));
    assertThat(request.answers).isZero();
    return await(request);
  }

  PoolStatus writeTags(int volume, long block, int count, long tag) {
    Pool.Grant grant = pool.reserve(volume, block, count);
    for (int i = 0; grant == Pool.Grant.WAIT && i < LIMIT; i++) {
      work();
      grant = pool.reserve(volume, block, count);
    }
    if (grant == Pool.Grant.NO_SPACE) {
      return PoolStatus.NO_SPACE;
    }
    Request request = write(volume, block, count, tag);
    PoolStatus status = run(request);
    recycle(request);
    return status;
  }

  PoolStatus zero(int volume, long block, int count) {
    return run(request(PoolOperation.ZERO, volume, block, count));
  }

  PoolStatus flush() {
    return run(request(PoolOperation.FLUSH, 0, 0, 0));
  }

  /** The tags of a range. */
  List<Long> read(int volume, long block, int count) {
    Request request = request(PoolOperation.READ, volume, block, count);
    assertThat(run(request)).isEqualTo(PoolStatus.OK);
    List<Long> tags = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      tags.add(tag(request, i));
    }
    recycle(request);
    return tags;
  }

  /** Where the drives hold a block: for each copy drive index and block on it. */
  long[][] copies(long tag) {
    long[][] found = new long[2][];
    int count = 0;
    for (int drive = 0; drive < media.size(); drive++) {
      for (long block = 0; block < media.get(drive).blockCount(); block++) {
        MemorySegment data = MemorySegment.ofArray(media.get(drive).content(block));
        long at0 = data.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
        long at2048 = data.get(ValueLayout.JAVA_LONG_UNALIGNED, 2048);
        if (at0 == tag && at2048 == tag && count < 2) {
          found[count++] = new long[] {drive, block};
        }
      }
    }
    assertThat(count).as("copies of " + tag).isEqualTo(2);
    return found;
  }
}
