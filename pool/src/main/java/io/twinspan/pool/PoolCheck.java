package io.twinspan.pool;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Checks a pool that nobody has open, reading only: superblocks, checkpoint and journal on each
 * drive, the map against itself, and, if asked, every copy of the data against its checksum. Says
 * what is wrong and what of it an open would put right.
 *
 * <p>Holds the pool's map in memory, as an open pool does. Blocking, one thread.
 */
public final class PoolCheck {
  /** Most findings in a report; what comes after is only counted. */
  public static final int MAX_FINDINGS = 1000;

  /** Told how far the check of the data is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many blocks have been checked. */
    void checked(long blocks, long totalBlocks);
  }

  private final PoolImages images;
  private final List<PoolFinding> findings = new ArrayList<>();
  private final Checksums checksums = new Checksums();
  private final Arena arena = Arena.ofAuto();
  private long leftOut;

  /** Drives that take part: their superblock is that of a member. */
  private final boolean[] usable;

  /** Prepares a check of the pool on these drives. */
  public PoolCheck(PoolImages images) {
    this.images = images;
    this.usable = new boolean[images.count()];
  }

  /**
   * Checks the pool.
   *
   * @param arrayId the array that it must be of
   * @param poolIndex its index in the array
   * @param data whether to read all data
   * @param progress told of the check of the data
   */
  public PoolReport run(long arrayId, int poolIndex, boolean data, Progress progress) {
    Superblock root = new SuperblockCheck(this, arrayId, poolIndex).newest();
    if (root == null) {
      return report(null, null, 0, 0, 0, false);
    }
    int least = root.layout.hasParity() ? root.layout.dataColumns() : 1;
    boolean opens = 2 * usableCount() > root.memberCount() && usableCount() >= least;
    if (!opens) {
      lost(
          PoolFinding.Kind.NO_QUORUM,
          "%d of %d member drives take part: too few to open the pool"
              .formatted(usableCount(), root.memberCount()));
    }
    VolumeTable volumes = new VolumeTable(poolIndex);
    volumes.usedUpTo(root.nextVolumeNumber);
    opens &= new CheckpointCheck(this, root).readInto(volumes);
    JournalCheck journal = new JournalCheck(this, root);
    journal.read();
    opens &= journal.replayInto(volumes);
    MapCheck map = new MapCheck(this, root, volumes);
    opens &= map.check();
    long checked = data ? checkData(root, volumes, progress) : 0;
    return report(root, volumes, map.usedBlocks(), journal.batchCount(), checked, opens);
  }

  private long checkData(Superblock root, VolumeTable volumes, Progress progress) {
    return root.layout.newSpace() instanceof StripeMap space
        ? new StripeDataCheck(this, root, volumes, space, progress).check()
        : new DataCheck(this, root, volumes, progress).check();
  }

  private PoolReport report(
      @Nullable Superblock root,
      @Nullable VolumeTable volumes,
      long usedBlocks,
      int batches,
      long checked,
      boolean opens) {
    return new PoolReport(
        List.copyOf(findings),
        leftOut,
        root == null ? 0 : root.epoch,
        volumes == null ? 0 : volumes.count(),
        root == null ? 0 : root.layout.physicalBlocks() - (long) root.slackBlocks,
        usedBlocks,
        root == null ? 0 : root.checkpointPieces,
        batches,
        checked,
        opens);
  }

  // ---- what the parts of the check share ----

  PoolImages images() {
    return images;
  }

  Checksums checksums() {
    return checksums;
  }

  boolean isUsable(int drive) {
    return usable[drive];
  }

  void use(int drive) {
    usable[drive] = true;
  }

  /** Drives that take part. */
  int usableCount() {
    int count = 0;
    for (boolean one : usable) {
      count += one ? 1 : 0;
    }
    return count;
  }

  MemorySegment allocate(long blocks) {
    return arena.allocate(blocks * Drive.BLOCK_BYTES, Drive.BLOCK_BYTES);
  }

  void note(PoolFinding.Kind kind, String text) {
    add(new PoolFinding(PoolFinding.Severity.NOTE, kind, text));
  }

  void degraded(PoolFinding.Kind kind, String text) {
    add(new PoolFinding(PoolFinding.Severity.DEGRADED, kind, text));
  }

  void lost(PoolFinding.Kind kind, String text) {
    add(new PoolFinding(PoolFinding.Severity.LOST, kind, text));
  }

  private void add(PoolFinding finding) {
    if (findings.size() < MAX_FINDINGS) {
      findings.add(finding);
    } else {
      leftOut++;
    }
  }
}
