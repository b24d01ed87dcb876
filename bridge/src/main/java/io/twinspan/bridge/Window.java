package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;

/**
 * A stretch of one controller's memory that both controllers have mapped.
 *
 * <pre>
 *    0  magic     8  version, header length     16  length     24  generation
 *   32  reserved                                                    (writer: owner)
 * 4096  for the layers above                                        (writer: the owner's peer)
 * </pre>
 *
 * <p>The generation is that of the latest life of the link the owner has been in, for tools.
 */
public final class Window {
  /** Size of the header in bytes: what is above begins on a page of its own. */
  public static final int HEADER_BYTES = 4096;

  /** The layout described here. */
  public static final int VERSION = 1;

  /** No window is larger. */
  static final long MAX_BYTES = 1L << 40;

  private static final long MAGIC = 0x444E_5746_4B4E_4C54L; // "TLNKFWND"
  private static final long MAGIC_OFFSET = 0;
  private static final long VERSION_OFFSET = 8;
  private static final long HEADER_LENGTH_OFFSET = 12;
  private static final long LENGTH_OFFSET = 16;
  private static final long GENERATION_OFFSET = 24;

  private final MemorySegment segment;

  /**
   * A view of memory that is, or will be, a window.
   *
   * @param segment whole memory, header included, at least {@value #HEADER_BYTES} bytes
   */
  public Window(MemorySegment segment) {
    if (segment.byteSize() < HEADER_BYTES) {
      throw new IllegalArgumentException("a window of " + segment.byteSize() + " bytes");
    }
    this.segment = segment;
  }

  /** All of the memory, with the header. */
  public MemorySegment segment() {
    return segment;
  }

  /** Size in bytes, with the header. */
  public long lengthBytes() {
    return segment.byteSize();
  }

  /** Which life of the link the owner last was in; 0 before the first. */
  public long generation() {
    return SharedMemory.getLongAcquire(segment, GENERATION_OFFSET);
  }

  /** A size somebody wants a window to have, rounded up to whole pages. */
  static long wholePages(long bytes) {
    if (bytes < HEADER_BYTES || bytes > MAX_BYTES) {
      throw new IllegalArgumentException("a window of " + bytes + " bytes");
    }
    return (bytes + HEADER_BYTES - 1) & -(long) HEADER_BYTES;
  }

  /** For providers: writes the header of a window of this process. */
  public void initialise() {
    segment.set(JAVA_INT, VERSION_OFFSET, VERSION);
    segment.set(JAVA_INT, HEADER_LENGTH_OFFSET, HEADER_BYTES);
    segment.set(JAVA_LONG, LENGTH_OFFSET, segment.byteSize());
    SharedMemory.setLongRelease(segment, MAGIC_OFFSET, MAGIC);
  }

  /** For providers: notes a new life in the header of a window of this process. */
  public void generation(long generation) {
    SharedMemory.setLongRelease(segment, GENERATION_OFFSET, generation);
  }

  /** For providers: whether memory of another process begins like a window of its size. */
  public boolean isSound() {
    return SharedMemory.getLongAcquire(segment, MAGIC_OFFSET) == MAGIC
        && segment.get(JAVA_INT, VERSION_OFFSET) == VERSION
        && segment.get(JAVA_LONG, LENGTH_OFFSET) == segment.byteSize();
  }
}
