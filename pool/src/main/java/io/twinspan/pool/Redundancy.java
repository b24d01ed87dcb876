package io.twinspan.pool;

import java.util.Locale;

/** How a pool keeps data so that it outlives drives. Chosen when the pool is formatted. */
public enum Redundancy {
  /** Two copies of every block, on two drives: any one drive may be lost. */
  MIRROR(2),
  /**
   * Stripes over all drives, each of one block per drive, two of which are parities: any two drives
   * may be lost. As large as all drives but two.
   */
  PARITY(5);

  /**
   * Least number of drives. For PARITY: with four, two that are lost at once would leave no
   * majority to open the pool with.
   */
  private final int leastDrives;

  Redundancy(int leastDrives) {
    this.leastDrives = leastDrives;
  }

  /** The name in settings and reports: "mirror" or "parity". */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Least number of drives that a pool of this kind is made of. */
  public int leastDrives() {
    return leastDrives;
  }
}
