package io.twinspan.nvme;

/**
 * What the data path needs to know of a namespace.
 *
 * @param blockShift log2 of the size of a block in bytes; 0 if there is no such namespace
 * @param boundaryBlocks a command should not cross multiples of it (NOIOB); 0 if it may
 */
record NamespaceLimits(int blockShift, int boundaryBlocks) {
  /** A namespace that is not there. */
  static final NamespaceLimits NONE = new NamespaceLimits(0, 0);

  /** Most blocks of any command: the field that counts them has 16 bits. */
  private static final int MAX_BLOCKS = 1 << 16;

  static NamespaceLimits of(IdentifyNamespace namespace) {
    if (namespace.sizeBlocks() == 0 || namespace.blockBytes() == 0) {
      return NONE;
    }
    int shift = Integer.numberOfTrailingZeros(namespace.blockBytes());
    return new NamespaceLimits(shift, namespace.optimalBoundaryBlocks());
  }

  /**
   * How many blocks one command may have that begins at a block.
   *
   * @param transferBytes the controller's limit for data, or 0 for a command without any
   */
  int mostBlocks(long lba, int transferBytes) {
    int most = transferBytes == 0 ? MAX_BLOCKS : Math.min(MAX_BLOCKS, transferBytes >>> blockShift);
    if (boundaryBlocks == 0) {
      return most;
    }
    return (int) Math.min(most, boundaryBlocks - Long.remainderUnsigned(lba, boundaryBlocks));
  }
}
