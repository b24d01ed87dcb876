package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A host's request inside the array, whether a host of this controller sent it or the peer did.
 * Reused; single-threaded.
 */
final class Operation {
  /** Who gets to know how an operation ended. */
  interface Source {
    /** The operation is over and free again. */
    void ended(Operation operation, HostStatus status);

    /** This controller doesn't own the pool (any more): somebody else has to do it. */
    void notOwner(Operation operation);
  }

  final Source source;

  /** Number at the source. */
  final int index;

  /** The local host's request, when there is one. */
  @Nullable HostRequest request;

  HostOperation kind = HostOperation.READ;
  int volume;
  long offset;
  long length;
  boolean forceUnitAccess;
  MemorySegment data = MemorySegment.NULL;
  long dataOffset;

  /** Tag under which a write of a local host was forwarded last; 0 for none. */
  int forwardedAs;

  /** Tag under which the peer has forwarded this; 0 for none. */
  int origin;

  /** Queue link. */
  @Nullable Operation next;

  /** Nobody waits for it any more: end it as soon as nothing of it is under way. */
  boolean cancelled;

  // Progress at the owner.
  long firstBlock;
  long endBlock;
  long cursor;
  boolean exclusive;
  int lockSlot = -1;
  int outstanding;
  boolean edgesRead;
  int reserved;
  long reservedBlock;
  boolean stalled;
  long zeroed = -1;
  int step;
  boolean appended;
  long barrier;
  int bounce = -1;
  @Nullable HostStatus failure;
  boolean again;

  /** A read of an owner that is alone: the round of {@link OwnerCheck} that it needs; else 0. */
  long checkRound;

  Operation(Source source, int index) {
    this.source = source;
    this.index = index;
  }

  /** Forgets how far it got: it begins from the start. */
  void restart() {
    if (outstanding != 0 || lockSlot >= 0 || bounce >= 0) {
      throw new IllegalStateException("operation is still under way");
    }
    cursor = 0;
    exclusive = false;
    edgesRead = false;
    reserved = 0;
    stalled = false;
    zeroed = -1;
    step = 0;
    appended = false;
    barrier = 0;
    failure = null;
    again = false;
    checkRound = 0;
  }

  /**
   * Tag to be kept with a record that ends at a block: a request is carried out with its last
   * record.
   */
  int originUpTo(long block) {
    return kind == HostOperation.ZERO && block < endBlock ? 0 : origin;
  }

  long endOffset() {
    return offset + length;
  }

  int blockCount() {
    return (int) (endBlock - firstBlock);
  }

  boolean isAligned() {
    return ((offset | length) & 4095) == 0;
  }
}
