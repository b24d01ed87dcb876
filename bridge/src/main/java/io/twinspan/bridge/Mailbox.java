package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A page of shared memory that holds the latest word of one side, for the other one to look at when
 * it likes: what came between two looks is not seen.
 *
 * <pre>
 *  0  stamp: another one with each word, 0 while the word changes
 *  8  length in bytes (4)     12  CRC32C of stamp and word (4)
 * 16  the word                                                    (writer of all: the sender)
 * </pre>
 *
 * <p>The sender stores a stamp of 0, the word, and the new stamp with release; the reader loads the
 * stamp before and after. Stamps are random, so that the words of two processes never look alike.
 * Each object serves one end, and one thread.
 */
final class Mailbox {
  static final int BYTES = 4096;
  static final int MAX_WORD_BYTES = BYTES - 16;

  private static final long STAMP = 0;
  private static final long LENGTH = 8;
  private static final long CHECKSUM = 12;
  private static final long WORD = 16;

  private final MemorySegment page;
  private final SecureRandom random = new SecureRandom();
  private long stamp;

  Mailbox(MemorySegment page) {
    this.page = page;
  }

  /** Replaces the word. */
  void write(ByteBuffer word) {
    int length = word.remaining();
    if (length > MAX_WORD_BYTES) {
      throw new IllegalArgumentException("a word of " + length + " bytes");
    }
    stamp = random.nextLong() | 1;
    SharedMemory.setLongRelease(page, STAMP, 0);
    VarHandle.storeStoreFence();
    page.set(JAVA_INT, LENGTH, length);
    page.set(JAVA_INT, CHECKSUM, checksum(stamp, word));
    MemorySegment.copy(MemorySegment.ofBuffer(word), 0, page, WORD, length);
    SharedMemory.setLongRelease(page, STAMP, stamp);
  }

  /** Whether what this end wrote last still stands: a second writer would be a mistake. */
  boolean stands() {
    return SharedMemory.getLongAcquire(page, STAMP) == stamp;
  }

  /**
   * The word, if there is a whole one that was not read before.
   *
   * @throws Refusal if what stands there is no word; it is not looked at again until it changes
   */
  @Nullable ByteBuffer read() throws Refusal {
    long before = SharedMemory.getLongAcquire(page, STAMP);
    if (before == stamp || before == 0) {
      return null;
    }
    int length = page.get(JAVA_INT, LENGTH);
    int checksum = page.get(JAVA_INT, CHECKSUM);
    byte[] bytes = new byte[Math.clamp(length, 0, MAX_WORD_BYTES)];
    MemorySegment.copy(page, JAVA_BYTE, WORD, bytes, 0, bytes.length);
    VarHandle.loadLoadFence();
    if (SharedMemory.getLongAcquire(page, STAMP) != before) {
      return null; // it is being replaced
    }
    stamp = before;
    ByteBuffer word = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length != length || checksum != checksum(before, word)) {
      throw new Refusal("what stands in its mailbox has a wrong checksum");
    }
    return word;
  }

  private static int checksum(long stamp, ByteBuffer word) {
    CRC32C crc = new CRC32C();
    crc.update(ByteBuffer.allocate(Long.BYTES).putLong(stamp).flip());
    crc.update(word.duplicate());
    return (int) crc.getValue();
  }
}
