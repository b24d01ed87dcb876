package io.twinspan.dma;

import java.lang.foreign.MemorySegment;

/** Where an address leads; filled by an {@link AddressSpace}, reused for every transfer. */
public final class Translation {
  private MemorySegment segment = MemorySegment.NULL;
  private long offset;
  private long slot;
  private long witness;

  /** An answer that leads nowhere. */
  public Translation() {}

  /**
   * Fills in an answer.
   *
   * @param segment the memory
   * @param offset where in it the range begins, in bytes
   * @param slot for the address space's own use in {@link AddressSpace#stillGranted}
   * @param witness for the address space's own use in {@link AddressSpace#stillGranted}
   */
  @SuppressWarnings("MemorySegmentReferenceEquality") // another view of the same memory is stored
  public void set(MemorySegment segment, long offset, long slot, long witness) {
    if (this.segment != segment) {
      this.segment = segment; // a store of a reference costs more than this with some collectors
    }
    this.offset = offset;
    this.slot = slot;
    this.witness = witness;
  }

  /** The memory. */
  public MemorySegment segment() {
    return segment;
  }

  /** Where in the memory the range begins, in bytes. */
  public long offset() {
    return offset;
  }

  /** The address space's first note to itself. */
  public long slot() {
    return slot;
  }

  /** The address space's second note to itself. */
  public long witness() {
    return witness;
  }
}
