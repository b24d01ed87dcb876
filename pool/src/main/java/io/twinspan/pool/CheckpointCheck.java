package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/** The part of {@link PoolCheck} that reads the checkpoint, every copy of it. */
final class CheckpointCheck {
  private final PoolCheck check;
  private final Superblock root;
  private final MetadataPage page;
  private final MemorySegment memory;

  CheckpointCheck(PoolCheck check, Superblock root) {
    this.check = check;
    this.root = root;
    this.page = new MetadataPage(root.layout.segmentBlocks(), check.checksums());
    this.memory = check.allocate(root.layout.segmentBlocks());
  }

  /** Reads it into a map; false when the pool can't be opened because of it. */
  boolean readInto(VolumeTable volumes) {
    boolean all = true;
    for (int piece = 0; piece < root.checkpointPieces; piece++) {
      boolean applied = false;
      for (int drive = 0; drive < check.images().count(); drive++) {
        if (check.isUsable(drive)) {
          if (!load(drive, piece)) {
            check.degraded(
                PoolFinding.Kind.CHECKPOINT,
                "piece %d of the checkpoint is damaged on %s"
                    .formatted(piece, check.images().name(drive)));
          } else if (!applied) {
            applied = true;
            all &= apply(piece, volumes);
          }
        }
      }
      if (!applied) {
        all = false;
        check.lost(
            PoolFinding.Kind.CHECKPOINT,
            "piece %d of the checkpoint is damaged on all drives: what it maps is lost, and the"
                    .formatted(piece)
                + " pool can't be opened");
      }
    }
    return all;
  }

  private boolean load(int drive, int piece) {
    int blocks = root.layout.segmentBlocks();
    long block = root.layout.checkpointBlock(root.checkpointArea, piece);
    return check.images().read(drive, block, blocks, memory, 0)
        && page.load(
            MetadataPage.CHECKPOINT, root.pool, root.checkpointId, piece, memory, 0, blocks);
  }

  private boolean apply(int piece, VolumeTable volumes) {
    try {
      Records.apply(
          page.words,
          MetadataPage.HEADER_WORDS,
          page.wordCount,
          volumes,
          root.layout.physicalBlocks(),
          _ -> {});
      return true;
    } catch (IllegalStateException nonsense) {
      check.lost(
          PoolFinding.Kind.RECORD,
          "piece %d of the checkpoint makes no sense: %s".formatted(piece, nonsense.getMessage()));
      return false;
    }
  }
}
