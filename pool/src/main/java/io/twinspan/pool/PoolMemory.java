package io.twinspan.pool;

import java.lang.foreign.MemorySegment;

/** How a pool divides the memory that it was given for its metadata. */
final class PoolMemory {
  private static final int KIB = 1024;
  private static final int SUPERBLOCK_BYTES = Layout.SUPERBLOCKS * Drive.BLOCK_BYTES;
  private static final int SUPERBLOCKS_OFFSET = 0;

  static final int JOURNAL_OFFSET = SUPERBLOCKS_OFFSET + Layout.MAX_DRIVES * SUPERBLOCK_BYTES;
  static final int CHECKPOINT_OFFSET = JOURNAL_OFFSET + 64 * KIB;
  static final int RECOVERY_OFFSET = CHECKPOINT_OFFSET + 256 * KIB;
  static final int RECOVERY_BYTES = 2048 * KIB;

  // From here on for pools with parities.

  /** One block of each drive. */
  static final int STRIPE_BYTES = Layout.MAX_DRIVES * Drive.BLOCK_BYTES;

  /** Stripes that are read to make cells again. */
  static final int STRIPE_READ_OFFSET = RECOVERY_OFFSET + RECOVERY_BYTES;

  static final int STRIPE_READ_BYTES = 16 * STRIPE_BYTES;

  /** Stripes that are being written. */
  static final int STRIPE_WRITE_OFFSET = STRIPE_READ_OFFSET + STRIPE_READ_BYTES;

  /** The stripes of one write: at least {@link Pool#MAX_IO_BLOCKS} blocks of data. */
  static final int STRIPE_GROUP_BYTES = 256 * KIB;

  static final int STRIPE_GROUPS = 8;

  /** Cells that the cleaner moves. */
  static final int MOVE_OFFSET = STRIPE_WRITE_OFFSET + STRIPE_GROUPS * STRIPE_GROUP_BYTES;

  static final int MOVE_BYTES = Pool.MAX_IO_BLOCKS * Drive.BLOCK_BYTES;
  static final int MOVES = 4;
  static final int BYTES = MOVE_OFFSET + MOVES * MOVE_BYTES;

  private PoolMemory() {}

  static int superblockOffset(int drive) {
    return SUPERBLOCKS_OFFSET + drive * SUPERBLOCK_BYTES;
  }

  static void check(MemorySegment memory) {
    if (memory.byteSize() < BYTES) {
      throw new IllegalArgumentException(
          "a pool needs " + BYTES + " bytes of memory, not " + memory.byteSize());
    }
  }
}
