package io.twinspan.nvme;

import java.util.BitSet;

/** Which identifiers of I/O queue pairs are taken. Thread-safe, and never waits for the drive. */
final class QueueIds {
  private final BitSet taken = new BitSet();

  /**
   * Takes the lowest that is free.
   *
   * @param most the highest there is
   * @param controller for the message
   * @throws NvmeException if all are taken
   */
  synchronized int take(int most, String controller) {
    int id = taken.nextClearBit(1);
    if (id > most) {
      throw new NvmeException(
          "all %d I/O queue pairs of %s are in use".formatted(most, controller));
    }
    taken.set(id);
    return id;
  }

  /** Gives one back. */
  synchronized void giveBack(int id) {
    taken.clear(id);
  }
}
