package io.twinspan.nvme;

/**
 * The blocks that a process may use. Addresses are those of the namespace: a range is a limit, not
 * a shift.
 *
 * @param nsid namespace, or 0 for every namespace, whole
 * @param firstBlock the first block
 * @param blocks how many, 0 for none at all
 * @param writable whether they may be changed
 */
public record NamespaceRange(int nsid, long firstBlock, long blocks, boolean writable) {
  /** Every block of every namespace. */
  public static final NamespaceRange EVERYTHING = new NamespaceRange(0, 0, Long.MAX_VALUE, true);

  /** No block: only questions about the drive are answered. */
  public static final NamespaceRange NOTHING = new NamespaceRange(0, 0, 0, false);

  /** Checks the numbers. */
  public NamespaceRange {
    boolean fits = firstBlock >= 0 && blocks >= 0 && firstBlock <= Long.MAX_VALUE - blocks;
    if (!fits || nsid < 0 || nsid > NvmeController.MAX_NSID) {
      throw new IllegalArgumentException(
          "namespace %d from block %d, %d blocks".formatted(nsid, firstBlock, blocks));
    }
  }

  /**
   * {@return whether all of these blocks are within}
   *
   * @param namespace of the blocks
   * @param lba the first one; anything, as a process may have sent it
   * @param count how many, at least 0
   */
  public boolean contains(int namespace, long lba, long count) {
    return (nsid == 0 || nsid == namespace)
        && lba >= firstBlock
        && count <= blocks
        && lba - firstBlock <= blocks - count;
  }

  /**
   * {@return whether any block of a namespace is within}
   *
   * @param namespace which one
   */
  public boolean touches(int namespace) {
    return blocks > 0 && (nsid == 0 || nsid == namespace);
  }
}
