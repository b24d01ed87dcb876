package io.twinspan.shelf;

import io.twinspan.linux.IoRing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The data of one Read or Write that is on its way between a medium and a client's memory while the
 * drive does other things; one of {@link Transfers}, and used again. The drive's agent thread owns
 * it; the medium reads it.
 */
final class Transfer {
  private final int index;
  private final MemorySegment vector;
  private int pieces;
  private long bytes;
  private boolean write;
  private boolean stable;
  private long lba;
  private int blocks;
  private @Nullable Namespace namespace;
  private @Nullable Deferral deferral;

  /** One that is not in use; {@code index} tells it from the others. */
  Transfer(int index, Arena arena) {
    this.index = index;
    vector = arena.allocate((long) DataPointer.MAX_PIECES * IoRing.VECTOR_BYTES, Long.BYTES);
  }

  /**
   * Takes what a command wants.
   *
   * @param forDeferral its completion
   * @param on the namespace
   * @param writes whether it is a Write
   * @param toBeStable whether it ends only when it is on stable storage
   * @param firstBlock where on the namespace
   * @param blockCount how many blocks
   * @param data the client's memory, which stays mapped until the end
   */
  void begin(
      Deferral forDeferral,
      Namespace on,
      boolean writes,
      boolean toBeStable,
      long firstBlock,
      int blockCount,
      DataPointer data) {
    deferral = forDeferral;
    namespace = on;
    write = writes;
    stable = toBeStable;
    lba = firstBlock;
    blocks = blockCount;
    bytes = (long) blockCount << Namespace.BLOCK_SHIFT;
    pieces = data.count();
    for (int i = 0; i < pieces; i++) {
      vector.setAtIndex(ValueLayout.JAVA_LONG, 2L * i, data.segment(i).address() + data.offset(i));
      vector.setAtIndex(ValueLayout.JAVA_LONG, 2L * i + 1, data.length(i));
    }
  }

  int index() {
    return index;
  }

  /** The client's memory, as {@link IoRing} wants it. */
  MemorySegment vector() {
    return vector;
  }

  /** How many entries of {@link #vector} count. */
  int pieces() {
    return pieces;
  }

  /** One piece of the client's memory; allocates. */
  MemorySegment piece(int i) {
    return MemorySegment.ofAddress(vector.getAtIndex(ValueLayout.JAVA_LONG, 2L * i))
        .reinterpret(vector.getAtIndex(ValueLayout.JAVA_LONG, 2L * i + 1));
  }

  /** How many bytes are to go. */
  long bytes() {
    return bytes;
  }

  /** Whether they go to the medium. */
  boolean isWrite() {
    return write;
  }

  /** Whether it ends only when it is on stable storage. */
  boolean toBeStable() {
    return stable;
  }

  long lba() {
    return lba;
  }

  int blocks() {
    return blocks;
  }

  /** Where on the medium the first byte is. */
  long position() {
    return lba << Namespace.BLOCK_SHIFT;
  }

  Namespace namespace() {
    return Objects.requireNonNull(namespace);
  }

  Deferral deferral() {
    return Objects.requireNonNull(deferral);
  }
}
