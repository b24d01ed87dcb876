package io.twinspan.pool;

/** What is known of stripes beside what is in them. */
interface StripeKnowledge {
  /** CRC32C of a cell, without sign; {@link StripeSolver#UNKNOWN} when nobody maps it. */
  long checksumOf(int cell);

  /** Whether a drive may lack what it should hold. */
  boolean isDoubtful(int drive);

  /** What map and superblock say, where nothing else is known yet. */
  record Recorded(Superblock root, CellOwners owners) implements StripeKnowledge {
    @Override
    public long checksumOf(int cell) {
      return owners.checksumOf(cell);
    }

    @Override
    public boolean isDoubtful(int drive) {
      return (root.rebuildingDrives & 1 << drive) != 0;
    }
  }
}
