package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The root of a pool's metadata, one block on each drive, in two slots written in turn. The newest
 * one, by epoch and then generation, says where the checkpoint and the journal are, and which
 * drives are members.
 *
 * <pre>
 *   word  0  magic "TWSB"          16  generation (2)              32  next volume number
 *         1  CRC32C of the rest    18  epoch (2)                   33  checksum errors (2)
 *         2  version               20  recovery epoch (2)          35  journal half blocks
 *         3  number of words       22  recovery sequence (2)       36  segment blocks
 *         4  array (2)             24  checkpoint identity (2)     37  segments per area
 *         6  pool (2)              26  checkpoint area             38  slack blocks
 *         8  drive index           27  checkpoint pieces           39  most volumes
 *         9  drive count           28  journal start sequence (2)  40  unsettled epoch (2)
 *        10  failed drives (bits)  30  stable sequence (2)         42  state of the scrub
 *        11  chunk blocks                                          43  drives that are rebuilt (bits)
 *        12  rows                                                  44  scrub's progress (8)
 *        13  journal half of the start sequence                    52  rebuild's progress (8)
 *        14  pool index                                            60  redundancy: 0 mirror, 1 parity
 *        15  zero                                                  61  end
 * </pre>
 *
 * Progress: volume number, block, blocks done (2), copies repaired (2), blocks lost (2). Version 1
 * ended at word 40, version 2 at word 42, version 3 at word 60; they are still read, what they lack
 * is zero.
 */
final class Superblock {
  private static final int MAGIC = 0x42535754;
  private static final int VERSION = 4;
  private static final int WORDS = 61;

  /** Words of the versions before this one, from version 1 on. */
  private static final int[] OLD_WORDS = {40, 42, 60};

  private static final int MIRROR = 0;
  private static final int PARITY = 1;

  /** There was no scrub. */
  static final int SCRUB_NONE = 0;

  static final int SCRUB_RUNNING = 1;
  static final int SCRUB_STOPPED = 2;
  static final int SCRUB_DONE = 3;

  private static final ValueLayout.OfInt LITTLE_INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  long arrayId;
  long pool;
  int poolIndex;
  int driveIndex;
  int failedDrives;
  Layout layout;
  int slackBlocks;
  int maxVolumes;

  /** Counts superblocks written. */
  long generation;

  /** Epoch of the owner. */
  long epoch;

  /** Epoch of the commit log that may hold what the drives lack; 0 for none. */
  long unsettledEpoch;

  /**
   * A batch from {@link #recoverySequence} on counts only if its epoch is at least this: older ones
   * were dropped by a recovery.
   */
  long recoveryEpoch;

  long recoverySequence = 1;
  long checkpointId;
  int checkpointArea;
  int checkpointPieces;

  /**
   * First batch that the checkpoint does not cover; it lies at the start of {@link #journalHalf}.
   */
  long journalSequence = 1;

  int journalHalf;
  long stableSequence;
  int nextVolumeNumber = 1;
  long checksumErrors;

  /** One of the constants SCRUB_…. */
  int scrubState;

  /** Members to which what they missed is still being copied. */
  int rebuildingDrives;

  final SweepProgress scrub = new SweepProgress();
  final SweepProgress rebuild = new SweepProgress();

  Superblock(Layout layout) {
    this.layout = layout;
  }

  boolean isMember(int drive) {
    return (failedDrives & 1 << drive) == 0;
  }

  int memberCount() {
    return layout.driveCount() - Integer.bitCount(failedDrives);
  }

  boolean isNewerThan(Superblock other) {
    return epoch != other.epoch ? epoch > other.epoch : generation > other.generation;
  }

  void store(int drive, MemorySegment memory, long offset, Checksums checksums) {
    int[] words = new int[Drive.BLOCK_BYTES / 4];
    words[0] = MAGIC;
    words[2] = VERSION;
    words[3] = WORDS;
    Words.putLong(words, 4, arrayId);
    Words.putLong(words, 6, pool);
    words[8] = drive;
    words[9] = layout.driveCount();
    words[10] = failedDrives;
    words[11] = layout.chunkBlocks();
    words[12] = layout.rows();
    words[13] = journalHalf;
    words[14] = poolIndex;
    Words.putLong(words, 16, generation);
    Words.putLong(words, 18, epoch);
    Words.putLong(words, 20, recoveryEpoch);
    Words.putLong(words, 22, recoverySequence);
    Words.putLong(words, 24, checkpointId);
    words[26] = checkpointArea;
    words[27] = checkpointPieces;
    Words.putLong(words, 28, journalSequence);
    Words.putLong(words, 30, stableSequence);
    words[32] = nextVolumeNumber;
    Words.putLong(words, 33, checksumErrors);
    words[35] = layout.journalHalfBlocks();
    words[36] = layout.segmentBlocks();
    words[37] = layout.segments();
    words[38] = slackBlocks;
    words[39] = maxVolumes;
    Words.putLong(words, 40, unsettledEpoch);
    words[42] = scrubState;
    words[43] = rebuildingDrives;
    scrub.store(words, 44);
    rebuild.store(words, 52);
    words[60] = layout.hasParity() ? PARITY : MIRROR;
    MemorySegment.copy(words, 0, memory, LITTLE_INT, offset, words.length);
    words[1] = checksums.of(memory, offset + 8, Drive.BLOCK_BYTES - 8);
    MemorySegment.copy(words, 1, memory, LITTLE_INT, offset + 4, 1);
  }

  /**
   * Takes a superblock from memory.
   *
   * @return false when there is none, or it is damaged or of another version
   */
  boolean load(MemorySegment memory, long offset, Checksums checksums) {
    int[] words = new int[WORDS];
    MemorySegment.copy(memory, LITTLE_INT, offset, words, 0, WORDS);
    boolean valid =
        words[0] == MAGIC
            && words[3] == wordsOf(words[2])
            && words[1] == checksums.of(memory, offset + 8, Drive.BLOCK_BYTES - 8);
    if (!valid) {
      return false;
    }
    Arrays.fill(words, words[3], WORDS, 0);
    arrayId = Words.getLong(words, 4);
    pool = Words.getLong(words, 6);
    driveIndex = words[8];
    failedDrives = words[10];
    if (words[60] != MIRROR && words[60] != PARITY) {
      return false;
    }
    Redundancy redundancy = words[60] == PARITY ? Redundancy.PARITY : Redundancy.MIRROR;
    layout =
        new Layout(words[9], words[11], words[12], words[35], words[36], words[37], redundancy);
    journalHalf = words[13];
    poolIndex = words[14];
    generation = Words.getLong(words, 16);
    epoch = Words.getLong(words, 18);
    recoveryEpoch = Words.getLong(words, 20);
    recoverySequence = Words.getLong(words, 22);
    checkpointId = Words.getLong(words, 24);
    checkpointArea = words[26];
    checkpointPieces = words[27];
    journalSequence = Words.getLong(words, 28);
    stableSequence = Words.getLong(words, 30);
    nextVolumeNumber = words[32];
    checksumErrors = Words.getLong(words, 33);
    slackBlocks = words[38];
    maxVolumes = words[39];
    unsettledEpoch = Words.getLong(words, 40);
    scrubState = words[42];
    rebuildingDrives = words[43];
    scrub.load(words, 44);
    rebuild.load(words, 52);
    return isPlausible();
  }

  /** Number of words of a version; -1 when it is not known. */
  private static int wordsOf(int version) {
    boolean old = version >= 1 && version <= OLD_WORDS.length;
    return old ? OLD_WORDS[version - 1] : version == VERSION ? WORDS : -1;
  }

  private boolean isPlausible() {
    return layout.driveCount() >= layout.redundancy().leastDrives()
        && layout.driveCount() <= Layout.MAX_DRIVES
        && Integer.bitCount(layout.chunkBlocks()) == 1
        && layout.chunkBlocks() > 0
        && layout.rows() >= 1
        && layout.journalHalfBlocks() > 0
        && layout.segmentBlocks() > 0
        && layout.segmentBlocks() <= 64
        && checkpointPieces >= 0
        && checkpointPieces <= layout.segments()
        && scrubState >= SCRUB_NONE
        && scrubState <= SCRUB_DONE
        && scrub.isPlausible()
        && rebuild.isPlausible()
        && (checkpointArea | 1) == 1
        && (journalHalf | 1) == 1;
  }
}
