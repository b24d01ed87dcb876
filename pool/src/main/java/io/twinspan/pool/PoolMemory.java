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
  static final int BYTES = RECOVERY_OFFSET + RECOVERY_BYTES;

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
