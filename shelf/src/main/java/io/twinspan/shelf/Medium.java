package io.twinspan.shelf;

import java.lang.foreign.MemorySegment;

/**
 * What keeps the bytes of one namespace.
 *
 * <p>The drive's agent thread calls every method but {@link #flush}, which runs on the drive's
 * flush thread at the same time. Results are 0 or a negative {@link io.twinspan.linux.Errno};
 * nothing is thrown and nothing allocated.
 */
interface Medium extends AutoCloseable {
  /** Size in bytes, fixed. */
  long sizeBytes();

  /**
   * Reads into a client's memory.
   *
   * @param position first byte on the medium
   * @param target native memory
   * @param offset where in it the first byte goes
   * @param lengthBytes how many bytes; the range lies on the medium
   */
  int read(long position, MemorySegment target, long offset, long lengthBytes);

  /**
   * Writes from a client's memory; stable only after a {@link #flush} that begins later.
   *
   * @param position first byte on the medium
   * @param source native memory
   * @param offset where in it the first byte is
   * @param lengthBytes how many bytes; the range lies on the medium
   */
  int write(long position, MemorySegment source, long offset, long lengthBytes);

  /** Whether this data may go by {@link #begin}, while the drive does other things. */
  default boolean canBegin(DataPointer data) {
    return false;
  }

  /**
   * Begins to read or write; {@link Transfers} learns of the end.
   *
   * @param transfer of data that {@link #canBegin}
   */
  default void begin(Transfer transfer) {
    throw new UnsupportedOperationException("a transfer of a medium that carries none out");
  }

  /**
   * Makes a range read as zeros, giving its space back if the medium can.
   *
   * @param position first byte on the medium
   * @param lengthBytes how many bytes; the range lies on the medium
   */
  int zero(long position, long lengthBytes);

  /** Waits until everything written before is on stable storage. */
  int flush();

  /** Frees what the medium holds; does not flush. */
  @Override
  void close();
}
