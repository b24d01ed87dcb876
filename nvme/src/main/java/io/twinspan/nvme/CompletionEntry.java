package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.INT;
import static io.twinspan.nvme.LittleEndian.LONG;
import static io.twinspan.nvme.LittleEndian.SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * A completion queue entry: flyweight over 16 bytes of native memory at a multiple of 8 (NVM
 * Express 1.4, section 4.6).
 *
 * <pre>
 *    0 | command specific (CDW0)                                                          |
 *    4 | reserved (CDW1)                                                                  |
 *    8 | SQ identifier (31:16)                                 | SQ head (15:0)           |
 *   12 | DNR 31 | M 30 | CRD 29:28 | SCT 27:25 | SC 24:17 | P 16 | CID (15:0)             |
 * </pre>
 *
 * <p>The controller writes an entry, the phase bit last ({@link #publish}, release); the host reads
 * the phase with acquire ({@link #lastDwordAcquire}) and the rest after it. One writer, one reader;
 * a flyweight is not thread-safe.
 */
public final class CompletionEntry {
  /** Size of an entry in bytes. */
  public static final int BYTES = 16;

  /** Offset of the dword with phase, status and command identifier. */
  public static final int LAST_DWORD_OFFSET = 12;

  private static final VarHandle LAST = INT.varHandle().withInvokeExactBehavior();

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public CompletionEntry() {}

  /**
   * Puts the flyweight on an entry.
   *
   * @param memory where the entry lies
   * @param entryOffset its offset in bytes, a multiple of 8
   * @return this
   */
  public CompletionEntry wrap(MemorySegment memory, long entryOffset) {
    segment = memory;
    offset = entryOffset;
    return this;
  }

  /**
   * {@return the dword with phase, status and CID, read with acquire: what is read after it is as
   * new as it}
   */
  public int lastDwordAcquire() {
    return (int) LAST.getAcquire(segment, offset + LAST_DWORD_OFFSET);
  }

  /** {@return the command specific result} */
  public int result() {
    return segment.get(INT, offset);
  }

  /** {@return the submission queue's head as the controller knew it} */
  public int sqHead() {
    return segment.get(SHORT, offset + 8) & 0xffff;
  }

  /** {@return the submission queue's identifier} */
  public int sqId() {
    return segment.get(SHORT, offset + 10) & 0xffff;
  }

  /**
   * Writes the whole entry, the last dword with release.
   *
   * @param result command specific result
   * @param sqHead the submission queue's head
   * @param sqId the submission queue's identifier
   * @param cid command identifier
   * @param status {@code SCT << 8 | SC}, see {@link Status}
   * @param doNotRetry whether the same command would fail again
   * @param phase 0 or 1
   */
  public void publish(
      int result, int sqHead, int sqId, int cid, int status, boolean doNotRetry, int phase) {
    segment.set(LONG, offset, result & 0xffff_ffffL);
    segment.set(INT, offset + 8, (sqHead & 0xffff) | sqId << 16);
    int last = (cid & 0xffff) | phase << 16 | (status & 0x7ff) << 17 | (doNotRetry ? 1 << 31 : 0);
    LAST.setRelease(segment, offset + LAST_DWORD_OFFSET, last);
  }

  /**
   * {@return the phase bit, 0 or 1}
   *
   * @param lastDword what {@link #lastDwordAcquire} returned
   */
  public static int phase(int lastDword) {
    return lastDword >>> 16 & 1;
  }

  /**
   * {@return the command identifier}
   *
   * @param lastDword what {@link #lastDwordAcquire} returned
   */
  public static int cid(int lastDword) {
    return lastDword & 0xffff;
  }

  /**
   * {@return the status, {@code SCT << 8 | SC}}
   *
   * @param lastDword what {@link #lastDwordAcquire} returned
   */
  public static int status(int lastDword) {
    return lastDword >>> 17 & 0x7ff;
  }

  /**
   * {@return whether the same command would fail again}
   *
   * @param lastDword what {@link #lastDwordAcquire} returned
   */
  public static boolean doNotRetry(int lastDword) {
    return lastDword < 0;
  }
}
