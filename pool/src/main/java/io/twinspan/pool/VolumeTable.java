package io.twinspan.pool;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The volumes of a pool, by number (the lower 24 bits of their ids). Changed only by {@link
 * Records#apply}.
 */
final class VolumeTable {
  static final int MAX_NUMBER = (1 << 24) - 1;

  private final int poolIndex;
  private @Nullable Volume[] byNumber = new Volume[16];
  private int count;
  private long mappedBlocks;
  private int nextNumber = 1;

  VolumeTable(int poolIndex) {
    this.poolIndex = poolIndex;
  }

  @Nullable Volume find(int id) {
    int number = id & MAX_NUMBER;
    return id >>> 24 == poolIndex && number < byNumber.length ? byNumber[number] : null;
  }

  /** A volume that has not been deleted. */
  @Nullable Volume findLive(int id) {
    Volume volume = find(id);
    return volume == null || volume.isDying() ? null : volume;
  }

  /** Whether a volume that has not been deleted has the name. */
  boolean hasName(String name) {
    for (Volume volume : byNumber) {
      if (volume != null && !volume.isDying() && volume.name.equals(name)) {
        return true;
      }
    }
    return false;
  }

  /** A volume that has been deleted and still holds something, or has to be forgotten. */
  @Nullable Volume anyDying() {
    for (Volume volume : byNumber) {
      if (volume != null && volume.isDying()) {
        return volume;
      }
    }
    return null;
  }

  /** Number of volumes. */
  int count() {
    return count;
  }

  /** The number that no volume has had yet. */
  int nextNumber() {
    return nextNumber;
  }

  int idOf(int number) {
    return poolIndex << 24 | number;
  }

  /** Numbers below this one have been used. */
  void usedUpTo(int number) {
    nextNumber = Math.max(nextNumber, number);
  }

  void add(Volume volume) {
    int number = volume.id & MAX_NUMBER;
    if (number >= byNumber.length) {
      byNumber = Arrays.copyOf(byNumber, Math.max(number + 1, 2 * byNumber.length));
    }
    if (byNumber[number] == null) {
      byNumber[number] = volume;
      count++;
      usedUpTo(number + 1);
    }
  }

  void remove(Volume volume) {
    byNumber[volume.id & MAX_NUMBER] = null;
    count--;
  }

  /** The volume with the least number from {@code number} on. */
  @Nullable Volume fromNumber(int number) {
    for (int i = Math.max(1, number); i < byNumber.length; i++) {
      Volume volume = byNumber[i];
      if (volume != null) {
        return volume;
      }
    }
    return null;
  }

  List<Volume> all() {
    List<Volume> all = new ArrayList<>();
    for (Volume volume : byNumber) {
      if (volume != null) {
        all.add(volume);
      }
    }
    return all;
  }

  /** Blocks that all volumes map; what they share counts for each of them. */
  long mappedBlocks() {
    return mappedBlocks;
  }

  /** A volume holds more or less than before. */
  void mappedChanged(long difference) {
    mappedBlocks += difference;
  }
}
