package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The container of metadata records on the drives: a journal batch or a piece of a checkpoint.
 * Whole blocks, little-endian words:
 *
 * <pre>
 *   word  0  magic "TWPG"
 *         1  CRC32C of the words from 2 to the last
 *         2  version (high half), kind (low half)
 *         3  number of words, header included
 *         4  pool identity (2 words)
 *         6  sequence of a batch, identity of a checkpoint (2)
 *         8  epoch of the writer (2)
 *        10  stable sequence: batches up to it were flushed when this was written (2)
 *        12  index of the piece in its checkpoint
 *        13  zero (3)
 *        16  records, see {@link Records}
 * </pre>
 */
final class MetadataPage {
  static final int HEADER_WORDS = 16;
  static final int JOURNAL = 1;
  static final int CHECKPOINT = 2;

  private static final int MAGIC = 0x47505754;
  private static final int VERSION = 1;
  private static final int WORDS_PER_BLOCK = Drive.BLOCK_BYTES / 4;
  private static final ValueLayout.OfInt LITTLE_INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** The page: header and records. */
  final int[] words;

  /** Words in use. */
  int wordCount = HEADER_WORDS;

  private final Checksums checksums;

  MetadataPage(int maxBlocks, Checksums checksums) {
    this.words = new int[maxBlocks * WORDS_PER_BLOCK];
    this.checksums = checksums;
  }

  static int blocks(int wordCount) {
    return (wordCount + WORDS_PER_BLOCK - 1) / WORDS_PER_BLOCK;
  }

  int blocks() {
    return blocks(wordCount);
  }

  void clear() {
    wordCount = HEADER_WORDS;
  }

  int room() {
    return words.length - wordCount;
  }

  boolean isEmpty() {
    return wordCount == HEADER_WORDS;
  }

  long sequence() {
    return Words.getLong(words, 6);
  }

  /** What the page at a place, if there is one, has as its sequence. */
  static long sequenceAt(MemorySegment memory, long offset) {
    return (memory.get(LITTLE_INT, offset + 24) & 0xffff_ffffL)
        | (long) memory.get(LITTLE_INT, offset + 28) << 32;
  }

  long epoch() {
    return Words.getLong(words, 8);
  }

  long stableSequence() {
    return Words.getLong(words, 10);
  }

  /** Completes the header and puts the page into memory, padded with zeros to whole blocks. */
  void store(
      int kind,
      long pool,
      long sequence,
      long epoch,
      long stableSequence,
      int index,
      MemorySegment memory,
      long offset) {
    words[0] = MAGIC;
    words[2] = VERSION << 16 | kind;
    words[3] = wordCount;
    Words.putLong(words, 4, pool);
    Words.putLong(words, 6, sequence);
    Words.putLong(words, 8, epoch);
    Words.putLong(words, 10, stableSequence);
    words[12] = index;
    words[13] = 0;
    words[14] = 0;
    words[15] = 0;
    long usedBytes = wordCount * 4L;
    MemorySegment.copy(words, 0, memory, LITTLE_INT, offset, wordCount);
    memory
        .asSlice(offset + usedBytes, blocks() * (long) Drive.BLOCK_BYTES - usedBytes)
        .fill((byte) 0);
    words[1] = checksums.of(memory, offset + 8, (wordCount - 2) * 4);
    MemorySegment.copy(words, 1, memory, LITTLE_INT, offset + 4, 1);
  }

  /**
   * Takes a page from memory.
   *
   * @param maxBlocks blocks that may be read from the offset on
   * @return whether there is a valid page with this kind, pool, sequence and index
   */
  boolean load(
      int kind,
      long pool,
      long sequence,
      int index,
      MemorySegment memory,
      long offset,
      int maxBlocks) {
    MemorySegment.copy(memory, LITTLE_INT, offset, words, 0, HEADER_WORDS);
    int count = words[3];
    boolean plausible =
        words[0] == MAGIC
            && words[2] == (VERSION << 16 | kind)
            && count >= HEADER_WORDS
            && count <= words.length
            && blocks(count) <= maxBlocks
            && Words.getLong(words, 4) == pool
            && Words.getLong(words, 6) == sequence
            && words[12] == index;
    if (!plausible || checksums.of(memory, offset + 8, (count - 2) * 4) != words[1]) {
      clear();
      return false;
    }
    MemorySegment.copy(
        memory, LITTLE_INT, offset + HEADER_WORDS * 4L, words, HEADER_WORDS, count - HEADER_WORDS);
    wordCount = count;
    return true;
  }
}
