package io.twinspan.pool;

/** How far a pass over all data is: part of the {@link Superblock}. */
final class SweepProgress {
  /** Words in a superblock. */
  static final int WORDS = 8;

  /** Volume to go on with, or the next one that there is. */
  int volumeNumber;

  /** Block of that volume to go on with. */
  int block;

  /** Blocks done. */
  long done;

  /** Copies that were wrong or missing and were written again. */
  long repaired;

  /** Blocks of which no copy was right. */
  long lost;

  void clear() {
    volumeNumber = 0;
    block = 0;
    done = 0;
    repaired = 0;
    lost = 0;
  }

  void copyFrom(SweepProgress other) {
    volumeNumber = other.volumeNumber;
    block = other.block;
    done = other.done;
    repaired = other.repaired;
    lost = other.lost;
  }

  void store(int[] words, int index) {
    words[index] = volumeNumber;
    words[index + 1] = block;
    Words.putLong(words, index + 2, done);
    Words.putLong(words, index + 4, repaired);
    Words.putLong(words, index + 6, lost);
  }

  void load(int[] words, int index) {
    volumeNumber = words[index];
    block = words[index + 1];
    done = Words.getLong(words, index + 2);
    repaired = Words.getLong(words, index + 4);
    lost = Words.getLong(words, index + 6);
  }

  boolean isPlausible() {
    return volumeNumber >= 0 && block >= 0 && done >= 0 && repaired >= 0 && lost >= 0;
  }
}
