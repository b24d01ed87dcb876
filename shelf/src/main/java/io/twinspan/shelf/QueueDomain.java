package io.twinspan.shelf;

import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;

/**
 * What some queue pairs of a controller may touch: memory, and blocks. Domain {@link #OWN} is the
 * client's own, with all memory that it has mapped and all blocks; each other one is for somebody
 * whom the client lends queue pairs, and whose commands can name nothing else. The drive's agent
 * thread owns it; checks allocate nothing.
 */
final class QueueDomain {
  /** The client's own domain. */
  static final int OWN = 0;

  private final int id;
  private final DmaMap dma;
  private final NamespaceRange range;

  /**
   * A domain without queue pairs.
   *
   * @param id {@link #OWN}, or from 1
   * @param dma the memory that its commands may name
   * @param range the blocks that they may name; of no meaning for {@link #OWN}
   */
  QueueDomain(int id, DmaMap dma, NamespaceRange range) {
    this.id = id;
    this.dma = dma;
    this.range = range;
  }

  int id() {
    return id;
  }

  DmaMap dma() {
    return dma;
  }

  /** Whether it is not the client's own. */
  boolean isConfined() {
    return id != OWN;
  }

  /**
   * Decides about an I/O command by what it says itself; the ranges of Dataset Management lie in
   * memory, and are for {@link #mayChange}.
   *
   * @param command a private copy
   * @param known whether its namespace exists
   * @return {@link Status#SUCCESS}, or the status to refuse it with
   */
  int check(SubmissionEntry command, boolean known) {
    if (id == OWN) {
      return Status.SUCCESS;
    }
    if (!known) {
      return Status.INVALID_NAMESPACE; // nor all namespaces at once
    }
    int nsid = command.nsid();
    return switch (command.opcode()) {
      case NvmOpcode.READ, NvmOpcode.COMPARE, NvmOpcode.VERIFY ->
          granted(range.contains(nsid, command.lba(), command.blockCount()));
      case NvmOpcode.WRITE, NvmOpcode.WRITE_ZEROES, NvmOpcode.WRITE_UNCORRECTABLE ->
          granted(mayChange(nsid, command.lba(), command.blockCount()));
      case NvmOpcode.FLUSH, NvmOpcode.DATASET_MANAGEMENT ->
          granted(range.writable() && range.touches(nsid));
      default -> Status.INVALID_OPCODE; // to the drive the host is one, so reservations are its own
    };
  }

  /** Whether commands may change these blocks. */
  boolean mayChange(int nsid, long lba, long blocks) {
    return id == OWN || (range.writable() && range.contains(nsid, lba, blocks));
  }

  private static int granted(boolean granted) {
    return granted ? Status.SUCCESS : Status.ACCESS_DENIED;
  }
}
