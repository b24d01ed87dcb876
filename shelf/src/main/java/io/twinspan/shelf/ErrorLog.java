package io.twinspan.shelf;

import io.twinspan.nvme.ErrorLogEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The last errors of a drive, newest first when read (NVM Express 1.4, section 5.14.1.1). The agent
 * thread's.
 */
final class ErrorLog {
  /** How many errors are kept. */
  static final int ENTRIES = 64;

  private final MemorySegment ring = Arena.ofAuto().allocate(ENTRIES * ErrorLogEntry.BYTES, 8);
  private final ErrorLogEntry entry = new ErrorLogEntry();
  private long first;
  private long count;

  /** Goes on counting where an earlier log of this drive has ended; its entries are lost. */
  void startAt(long errors) {
    first = errors;
    count = errors;
  }

  /** Errors in the life of the drive. */
  long count() {
    return count;
  }

  /** Notes one failed command. */
  void add(int sqId, int cid, int status, int nsid, long lba) {
    MemorySegment slot = slot(count);
    slot.fill((byte) 0);
    count++;
    entry
        .wrap(slot, 0)
        .errorCount(count)
        .sqId(sqId)
        .cid(cid)
        .statusField(status << 1)
        .parameterLocation(0xffff)
        .lba(lba)
        .nsid(nsid);
  }

  /** Writes the log page, {@link #ENTRIES} entries, into zeroed memory. */
  void writeTo(MemorySegment page) {
    long kept = Math.min(count - first, ENTRIES);
    for (long i = 0; i < kept; i++) {
      MemorySegment.copy(
          slot(count - 1 - i), 0, page, i * ErrorLogEntry.BYTES, ErrorLogEntry.BYTES);
    }
  }

  private MemorySegment slot(long number) {
    return ring.asSlice(number % ENTRIES * ErrorLogEntry.BYTES, ErrorLogEntry.BYTES);
  }
}
