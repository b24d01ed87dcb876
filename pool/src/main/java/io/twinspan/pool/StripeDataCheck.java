package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** The part of {@link PoolCheck} that reads every stripe with data, parities included. */
final class StripeDataCheck {
  private final PoolCheck check;
  private final Layout layout;
  private final StripeMap space;
  private final CellOwners owners;
  private final StripeKnowledge knowledge;
  private final PoolCheck.Progress progress;
  private final ImageDrive[] drives;
  private final DriveSet set;
  private final StripeCheck stripes;
  private long checked;

  StripeDataCheck(
      PoolCheck check,
      Superblock root,
      VolumeTable volumes,
      StripeMap space,
      PoolCheck.Progress progress) {
    this.check = check;
    this.layout = root.layout;
    this.space = space;
    this.owners = new CellOwners(volumes, space);
    this.knowledge = new StripeKnowledge.Recorded(root, owners);
    this.progress = progress;
    for (Volume volume : volumes.all()) {
      volume.markUsed(space);
    }
    this.drives = new ImageDrive[check.images().count()];
    Arrays.setAll(drives, drive -> new ImageDrive(check.images(), drive));
    this.set = new DriveSet(List.of(drives));
    for (int drive = 0; drive < drives.length; drive++) {
      if (!check.isUsable(drive)) {
        set.fail(drive, Drive.GONE);
      }
    }
    MemorySegment memory = check.allocate(PoolMemory.BYTES / Drive.BLOCK_BYTES);
    this.stripes = new StripeCheck(set, memory, layout, check.checksums(), knowledge, () -> {});
  }

  /** Checks it and returns the number of blocks. */
  long check() {
    int stripe = 0;
    while (stripe < layout.stripes()) {
      int count = 0;
      int end = Math.min(stripe + stripes.mostStripes(), chunkEnd(stripe));
      while (stripe + count < end && space.usedOf(stripe + count) > 0) {
        count++;
      }
      if (count > 0 && !checkRun(stripe, count)) {
        for (int i = 0; i < count; i++) { // of what can't be read in one go, most may be readable
          var _ = checkRun(stripe + i, 1);
        }
      }
      stripe += Math.max(1, count);
    }
    return checked;
  }

  private int chunkEnd(int stripe) {
    return (stripe / layout.chunkBlocks() + 1) * layout.chunkBlocks();
  }

  /** False when something is lost, and may not be if the stripes are read one by one. */
  private boolean checkRun(int first, int count) {
    stripes.start(first, count);
    while (!stripes.isReady()) {
      var _ = set.work();
      for (ImageDrive drive : drives) {
        drive.work();
      }
    }
    stripes.solve();
    for (int i = 0; i < count && count > 1; i++) {
      if (stripes.lost(i) != 0) {
        return false;
      }
    }
    for (int i = 0; i < count; i++) {
      judge(first + i, stripes.wrong(i), stripes.lost(i));
      checked += space.usedOf(first + i);
    }
    progress.checked(checked, space.liveBlocks());
    return true;
  }

  private void judge(int stripe, int wrong, int lost) {
    for (int column = 0; column < layout.driveCount(); column++) {
      int drive = layout.stripeDrive(stripe, column);
      boolean known = !check.isUsable(drive) || knowledge.isDoubtful(drive);
      if ((lost & 1 << column) != 0 && check.isUsable(drive)) {
        check.lost(
            PoolFinding.Kind.DATA_LOST,
            "%s is wrong and can't be made again from its stripe".formatted(name(stripe, column)));
      } else if ((wrong & 1 << column) != 0 && !known) {
        check.degraded(
            PoolFinding.Kind.DATA_COPY,
            "%s, block %d of %s, is wrong; it can be made again from its stripe"
                .formatted(
                    name(stripe, column), layout.stripeBlock(stripe), check.images().name(drive)));
      }
    }
  }

  private String name(int stripe, int column) {
    if (column >= layout.dataColumns()) {
      return (column == layout.dataColumns() ? "parity P" : "parity Q") + " of stripe " + stripe;
    }
    int cell = layout.cell(stripe, column);
    Volume owner = owners.find(cell);
    return owner == null
        ? "a block of stripe " + stripe + " that is not in use"
        : "block %d of volume %s".formatted(space.blockOf(cell), owner.name);
  }
}
