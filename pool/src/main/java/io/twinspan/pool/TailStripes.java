package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/**
 * Makes the stripes whole that were written shortly before a loss of power: data that is there may
 * have parities that are not. Part of a {@link Recovery}, which goes over them again when it is
 * interrupted.
 */
final class TailStripes {
  private final Layout layout;
  private final StripeMap space;
  private final StripeCheck check;
  private final int[] stripes;
  private int next;
  private boolean reading;

  /**
   * Creates it.
   *
   * @param volumes the map as it was recovered
   * @param stripes what to go over, sorted
   */
  TailStripes(
      DriveSet drives,
      MemorySegment memory,
      Checksums checksums,
      Superblock root,
      VolumeTable volumes,
      StripeMap space,
      int[] stripes) {
    this.layout = root.layout;
    this.space = space;
    var knowledge = new StripeKnowledge.Recorded(root, new CellOwners(volumes, space));
    this.check = new StripeCheck(drives, memory, layout, checksums, knowledge, () -> {});
    this.stripes = stripes.clone();
  }

  boolean isReady() {
    return check.isReady();
  }

  /**
   * Takes over what was read and reads on.
   *
   * @return whether that was all
   */
  boolean step() {
    if (reading) {
      reading = false;
      check.solve();
      check.repair();
      return false;
    }
    while (next < stripes.length && space.usedOf(stripes[next]) == 0) {
      next++;
    }
    if (next == stripes.length) {
      return true;
    }
    int count = 1;
    while (count < check.mostStripes() && follows(next + count)) {
      count++;
    }
    reading = true;
    check.start(stripes[next], count);
    next += count;
    return false;
  }

  /** Whether the stripe lies behind the one before it, in the same chunks. */
  private boolean follows(int index) {
    return index < stripes.length
        && stripes[index] == stripes[index - 1] + 1
        && stripes[index] % layout.chunkBlocks() != 0
        && space.usedOf(stripes[index]) > 0;
  }
}
