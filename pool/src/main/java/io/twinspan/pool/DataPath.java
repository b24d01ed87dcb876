package io.twinspan.pool;

/**
 * How an open pool keeps data on its drives so that it outlives some of them. Two forms: copies
 * ({@link MirrorPath}) and parities ({@link ParityPath}). All that is common to both, the map and
 * its journal, requests and their order, is elsewhere.
 */
interface DataPath {
  /**
   * Carries out a WRITE or MOVE up to the journal: finds places, and hands it to the {@link
   * Journal} when the data is there, with as much redundancy as there are drives.
   */
  void write(Operation operation);

  /** The copy of a block that a read tries first. */
  int firstCopy(Operation operation, int physical);

  /**
   * Gets the bad blocks of a read in another way; the {@link Reader} is told of each that was asked
   * for.
   */
  void readAgain(Operation operation);

  /** Drives have come or gone. */
  void drivesChanged();

  /** Whether all data stays readable when a live drive is taken out. */
  boolean isDispensable(int drive);

  /** Whether so many drives are out that nothing can be written any more. */
  boolean isBroken();

  /** Whether there is room for some more blocks beside those that were granted already. */
  boolean hasRoom(long grantedBlocks, int count);

  /** Whether work in the background will make room. */
  boolean makesRoom();

  /** How scrubs and rebuilds go over the data. */
  Sweep sweep(Sweeper sweeper);

  /** Begins nothing in the background any more: the pool closes. */
  void pause();

  /** Blocks of data that were moved to make room, since the pool was opened. */
  long movedBlocks();

  /** Puts a MOVE into the journal: what of it still counts. */
  void journaling(Operation operation, MetadataPage page);

  /** A MOVE is on the drives and in the map. */
  void journaled(Operation operation);

  /** Does what is due. */
  int work();
}
