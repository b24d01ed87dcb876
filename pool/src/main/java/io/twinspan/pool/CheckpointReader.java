package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Reads a checkpoint into a map, several pieces at a time, each from any drive that has it intact.
 */
final class CheckpointReader implements DriveIo.Listener {
  private final DriveSet drives;
  private final MemorySegment memory;
  private final Superblock root;
  private final VolumeTable volumes;
  private final MetadataPage page;
  private final int pieceBytes;
  private final int window;
  private int firstPiece;
  private int inWindow;
  private int tries;
  private boolean[] loaded = {};
  private int pendingIos;

  CheckpointReader(
      DriveSet drives,
      MemorySegment memory,
      Checksums checksums,
      Superblock root,
      VolumeTable volumes) {
    this.drives = drives;
    this.memory = memory;
    this.root = root;
    this.volumes = volumes;
    this.page = new MetadataPage(root.layout.segmentBlocks(), checksums);
    this.pieceBytes = root.layout.segmentBlocks() * Drive.BLOCK_BYTES;
    this.window = Math.min(PoolMemory.RECOVERY_BYTES / pieceBytes, 16);
  }

  boolean isReady() {
    return pendingIos == 0;
  }

  /**
   * Takes over what was read and reads on.
   *
   * @return whether that was all
   */
  boolean step() {
    if (inWindow > 0 && takeOver()) {
      firstPiece += inWindow;
      inWindow = 0;
      tries = 0;
    }
    if (inWindow == 0) {
      inWindow = Math.min(window, root.checkpointPieces - firstPiece);
      loaded = new boolean[inWindow];
    }
    if (inWindow == 0) {
      return true;
    }
    if (tries++ == drives.count()) {
      throw new IllegalStateException("checkpoint is damaged on all drives");
    }
    readMissing();
    return false;
  }

  private void readMissing() {
    for (int i = 0; i < inWindow; i++) {
      int drive = (firstPiece + i + tries) % drives.count();
      if (!loaded[i] && drives.isLive(drive)) {
        long block = root.layout.checkpointBlock(root.checkpointArea, firstPiece + i);
        int blocks = root.layout.segmentBlocks();
        pendingIos += drives.read(drive, block, blocks, memory, offset(i), this, i);
      }
    }
  }

  private long offset(int index) {
    return PoolMemory.RECOVERY_OFFSET + (long) index * pieceBytes;
  }

  /**
   * Applies the pieces that are there; their order does not matter but for volumes, so it is kept.
   */
  private boolean takeOver() {
    boolean all = true;
    for (int i = 0; i < inWindow; i++) {
      if (!loaded[i] && all) {
        loaded[i] =
            page.load(
                MetadataPage.CHECKPOINT,
                root.pool,
                root.checkpointId,
                firstPiece + i,
                memory,
                offset(i),
                root.layout.segmentBlocks());
        all = loaded[i];
        if (loaded[i]) {
          Records.apply(
              page.words,
              MetadataPage.HEADER_WORDS,
              page.wordCount,
              volumes,
              root.layout.physicalBlocks(),
              _ -> {});
        }
      }
    }
    return all && allTrue();
  }

  private boolean allTrue() {
    for (boolean one : loaded) {
      if (!one) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    if (status != Drive.OK) {
      // Nothing of an earlier read may pass for this one.
      memory.asSlice(offset(io.tag), pieceBytes).fill((byte) 0);
    }
  }

  @Override
  public String toString() {
    return "pieces " + firstPiece + "+" + inWindow + " " + Arrays.toString(loaded);
  }
}
