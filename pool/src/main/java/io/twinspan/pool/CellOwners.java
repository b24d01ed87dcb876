package io.twinspan.pool;

import org.jspecify.annotations.Nullable;

/**
 * Finds the volumes that map a cell. All of them do so at the same block, as what is shared comes
 * from clones, and that block is kept for each cell.
 */
final class CellOwners {
  private final VolumeTable volumes;
  private final StripeMap space;
  private @Nullable Volume last;

  CellOwners(VolumeTable volumes, StripeMap space) {
    this.volumes = volumes;
    this.space = space;
  }

  /** One of the volumes that map a cell; null when there is none. */
  @Nullable Volume find(int cell) {
    int block = space.blockOf(cell);
    if (block < 0) {
      return null;
    }
    Volume before = last;
    if (before != null && volumes.find(before.id) == before && before.physical(block) == cell) {
      return before;
    }
    for (Volume one = volumes.fromNumber(0); one != null; one = after(one)) {
      if (one.physical(block) == cell) {
        last = one;
        return one;
      }
    }
    return null;
  }

  private @Nullable Volume after(Volume volume) {
    return volumes.fromNumber((volume.id & VolumeTable.MAX_NUMBER) + 1);
  }

  /**
   * Puts the ids of all volumes that map a cell into an array.
   *
   * @return how many there are; more than the array has room for when there are too many
   */
  int findAll(int cell, int[] ids) {
    int block = space.blockOf(cell);
    int count = 0;
    for (Volume one = volumes.fromNumber(0); block >= 0 && one != null; one = after(one)) {
      if (one.physical(block) == cell) {
        if (count == ids.length) {
          return count + 1;
        }
        ids[count++] = one.id;
      }
    }
    return count;
  }

  /** CRC32C of what a cell should hold; {@link StripeSolver#UNKNOWN} when nobody maps it. */
  long checksumOf(int cell) {
    Volume owner = find(cell);
    return owner == null
        ? StripeSolver.UNKNOWN
        : owner.checksum(space.blockOf(cell)) & 0xffff_ffffL;
  }
}
