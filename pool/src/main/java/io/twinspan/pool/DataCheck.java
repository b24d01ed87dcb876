package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/** The part of {@link PoolCheck} that reads every copy of every block. */
final class DataCheck {
  private static final int MOST_BLOCKS = 256;

  private final PoolCheck check;
  private final Superblock root;
  private final VolumeTable volumes;
  private final PoolCheck.Progress progress;
  private final MemorySegment[] memory = new MemorySegment[2];
  private final boolean[] read = new boolean[2];
  private long checked;

  DataCheck(PoolCheck check, Superblock root, VolumeTable volumes, PoolCheck.Progress progress) {
    this.check = check;
    this.root = root;
    this.volumes = volumes;
    this.progress = progress;
    memory[0] = check.allocate(MOST_BLOCKS);
    memory[1] = check.allocate(MOST_BLOCKS);
  }

  /** Checks it and returns the number of blocks. */
  long check() {
    MapCheck.forEachRun(volumes, root.layout.chunkBlocks(), MOST_BLOCKS, this::checkRun);
    return checked;
  }

  private void checkRun(Volume volume, long block, int physical, int count) {
    for (int copy = 0; copy < 2; copy++) {
      int drive = root.layout.drive(physical, copy);
      read[copy] = check.isUsable(drive) && read(drive, physical, copy, count);
    }
    for (int i = 0; i < count; i++) {
      boolean right0 = isRight(0, i, volume.checksum(block + i));
      boolean right1 = isRight(1, i, volume.checksum(block + i));
      if (!right0 || !right1) {
        judge(volume, block + i, physical + i, right0, right1);
      }
    }
    checked += count;
    progress.checked(checked, volumes.mappedBlocks());
  }

  private boolean read(int drive, int physical, int copy, int count) {
    long at = root.layout.driveBlock(physical, copy);
    PoolImages images = check.images();
    if (images.read(drive, at, count, memory[copy], 0)) {
      return true;
    }
    for (int i = 0; i < count; i++) { // of what can't be read in one go, most may be readable
      long offset = (long) i * Drive.BLOCK_BYTES;
      if (!images.read(drive, at + i, 1, memory[copy], offset)) {
        memory[copy].asSlice(offset, Drive.BLOCK_BYTES).fill((byte) 0xdb);
      }
    }
    return true;
  }

  private boolean isRight(int copy, int index, int checksum) {
    long offset = (long) index * Drive.BLOCK_BYTES;
    return read[copy] && check.checksums().of(memory[copy], offset, Drive.BLOCK_BYTES) == checksum;
  }

  private void judge(Volume volume, long block, int physical, boolean right0, boolean right1) {
    if (!right0 && !right1) {
      if (read[0] || read[1]) { // else both drives are out, and that was said
        check.lost(
            PoolFinding.Kind.DATA_LOST,
            "block %d of volume %s: no copy is right".formatted(block, volume.name));
      }
      return;
    }
    int bad = right0 ? 1 : 0;
    int drive = root.layout.drive(physical, bad);
    boolean known = !read[bad] || (root.rebuildingDrives & 1 << drive) != 0;
    if (!known) { // a drive that is out or not rebuilt has been named already
      check.degraded(
          PoolFinding.Kind.DATA_COPY,
          "block %d of volume %s: the copy on %s, block %d there, is wrong; the other one is right"
              .formatted(
                  block,
                  volume.name,
                  check.images().name(drive),
                  root.layout.driveBlock(physical, bad)));
    }
  }
}
