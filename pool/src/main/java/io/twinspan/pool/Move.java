package io.twinspan.pool;

/** Cells that the {@link Cleaner} moves in one go: the part of a MOVE operation that is its own. */
final class Move {
  /** Most cells. */
  static final int MOST = Pool.MAX_IO_BLOCKS;

  /** Where their data is in the pool's memory, one block after the other. */
  final long dataOffset;

  int count;

  /** Where they lie. */
  final int[] from = new int[MOST];

  /** The block that each is, in the volumes that map it. */
  final int[] block = new int[MOST];

  /** CRC32C of each. */
  final int[] checksum = new int[MOST];

  /**
   * Cells that went into the journal, as bits. The others were superseded meanwhile, or too many
   * volumes share them.
   */
  int journaled;

  Move(long dataOffset) {
    this.dataOffset = dataOffset;
  }
}
