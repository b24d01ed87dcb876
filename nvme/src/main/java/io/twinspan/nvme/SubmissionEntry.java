package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.BYTE;
import static io.twinspan.nvme.LittleEndian.INT;
import static io.twinspan.nvme.LittleEndian.LONG;
import static io.twinspan.nvme.LittleEndian.SHORT;

import java.lang.foreign.MemorySegment;

/**
 * A submission queue entry: flyweight over 64 bytes of native memory at a multiple of 8 (NVM
 * Express 1.4, section 4.2).
 *
 * <pre>
 *    0 | CID (31:16) | PSDT (15:14) | FUSE (9:8) | OPC (7:0) |
 *    4 | NSID                                                |
 *    8 | CDW2                     12 | CDW3                  |
 *   16 | MPTR (8 bytes)                                      |
 *   24 | PRP1 (8 bytes)           32 | PRP2 (8 bytes)        |
 *   40 | CDW10 | 44 CDW11 | 48 CDW12 | 52 CDW13 | 56 CDW14 | 60 CDW15 |
 * </pre>
 *
 * <p>Accesses are plain; the doorbell write publishes them. Not thread-safe. Whoever reads entries
 * that another process writes copies the 64 bytes first ({@link #copyFrom}).
 */
public final class SubmissionEntry {
  /** Size of an entry in bytes. */
  public static final int BYTES = 64;

  /** Offset of the opcode, one byte. */
  public static final int OPCODE_OFFSET = 0;

  /** Offset of FUSE and PSDT, one byte. */
  public static final int FLAGS_OFFSET = 1;

  /** Offset of the command identifier, two bytes. */
  public static final int CID_OFFSET = 2;

  /** Offset of the namespace identifier, four bytes. */
  public static final int NSID_OFFSET = 4;

  /** Offset of the metadata pointer, eight bytes. */
  public static final int MPTR_OFFSET = 16;

  /** Offset of the first PRP entry, eight bytes. */
  public static final int PRP1_OFFSET = 24;

  /** Offset of the second PRP entry or of the address of the PRP list, eight bytes. */
  public static final int PRP2_OFFSET = 32;

  /** Offset of command dword 10; the others follow, four bytes each. */
  public static final int CDW10_OFFSET = 40;

  /** PSDT 01b in the byte at {@link #FLAGS_OFFSET}: an SGL names the data. */
  public static final int PSDT_SGL = 1 << 6;

  /** "Every namespace" in the NSID field. */
  public static final int NSID_ALL = -1;

  /** Force Unit Access, in command dword 12 of Read, Write and Write Zeroes. */
  public static final int FORCE_UNIT_ACCESS = 1 << 30;

  /** Deallocate, in command dword 12 of Write Zeroes. */
  public static final int DEALLOCATE = 1 << 25;

  private MemorySegment segment = MemorySegment.NULL;
  private long offset;

  /** A flyweight that is not on any memory yet. */
  public SubmissionEntry() {}

  /**
   * Puts the flyweight on an entry.
   *
   * @param memory where the entry lies
   * @param entryOffset its offset in bytes, a multiple of 8
   * @return this
   */
  public SubmissionEntry wrap(MemorySegment memory, long entryOffset) {
    segment = memory;
    offset = entryOffset;
    return this;
  }

  /**
   * Copies 64 bytes here.
   *
   * @param memory where the entry to be copied lies
   * @param entryOffset its offset in bytes
   * @return this
   */
  public SubmissionEntry copyFrom(MemorySegment memory, long entryOffset) {
    MemorySegment.copy(memory, entryOffset, segment, offset, BYTES);
    return this;
  }

  /**
   * Copies the entry to somewhere else.
   *
   * @param memory where to
   * @param entryOffset offset there, in bytes
   */
  public void copyTo(MemorySegment memory, long entryOffset) {
    MemorySegment.copy(segment, offset, memory, entryOffset, BYTES);
  }

  /**
   * Zeroes the 64 bytes.
   *
   * @return this
   */
  public SubmissionEntry clear() {
    for (int at = 0; at < BYTES; at += 8) {
      segment.set(LONG, offset + at, 0L);
    }
    return this;
  }

  /** {@return the opcode, 0 to 255} */
  public int opcode() {
    return segment.get(BYTE, offset + OPCODE_OFFSET) & 0xff;
  }

  /**
   * Sets opcode, no fused operation, PRPs for data, and the command identifier.
   *
   * @param opcode 0 to 255
   * @param cid command identifier, 0 to 65534
   * @return this
   */
  public SubmissionEntry command(int opcode, int cid) {
    segment.set(INT, offset, (opcode & 0xff) | cid << 16);
    return this;
  }

  /** {@return the byte with FUSE in bits 1:0 and PSDT in bits 7:6} */
  public int flags() {
    return segment.get(BYTE, offset + FLAGS_OFFSET) & 0xff;
  }

  /** {@return the command identifier, 0 to 65535} */
  public int cid() {
    return segment.get(SHORT, offset + CID_OFFSET) & 0xffff;
  }

  /**
   * Sets the command identifier alone.
   *
   * @param cid 0 to 65534
   * @return this
   */
  public SubmissionEntry cid(int cid) {
    segment.set(SHORT, offset + CID_OFFSET, (short) cid);
    return this;
  }

  /** {@return the namespace identifier; {@link #NSID_ALL} for all} */
  public int nsid() {
    return segment.get(INT, offset + NSID_OFFSET);
  }

  /**
   * Sets the namespace identifier.
   *
   * @param nsid the identifier, or {@link #NSID_ALL}
   * @return this
   */
  public SubmissionEntry nsid(int nsid) {
    segment.set(INT, offset + NSID_OFFSET, nsid);
    return this;
  }

  /** {@return PRP entry 1, a DMA address} */
  public long prp1() {
    return segment.get(LONG, offset + PRP1_OFFSET);
  }

  /** {@return PRP entry 2, a DMA address of data or of a PRP list} */
  public long prp2() {
    return segment.get(LONG, offset + PRP2_OFFSET);
  }

  /**
   * Sets the data pointer.
   *
   * @param prp1 PRP entry 1
   * @param prp2 PRP entry 2, 0 when not used
   * @return this
   */
  public SubmissionEntry prp(long prp1, long prp2) {
    segment.set(LONG, offset + PRP1_OFFSET, prp1);
    segment.set(LONG, offset + PRP2_OFFSET, prp2);
    return this;
  }

  /**
   * Sets the metadata pointer.
   *
   * @param address DMA address, 0 for none
   * @return this
   */
  public SubmissionEntry metadata(long address) {
    segment.set(LONG, offset + MPTR_OFFSET, address);
    return this;
  }

  /**
   * Sets the data pointer to one SGL Data Block descriptor (section 4.4), and PSDT to say so.
   *
   * @param address DMA address of the data
   * @param lengthBytes its size
   * @return this
   */
  public SubmissionEntry sgl(long address, int lengthBytes) {
    segment.set(BYTE, offset + FLAGS_OFFSET, (byte) (flags() | PSDT_SGL));
    segment.set(LONG, offset + PRP1_OFFSET, address);
    segment.set(LONG, offset + PRP2_OFFSET, lengthBytes & 0xffff_ffffL); // type 0: a data block
    return this;
  }

  /**
   * {@return a command dword}
   *
   * @param index 10 to 15
   */
  public int cdw(int index) {
    return segment.get(INT, offset + CDW10_OFFSET + 4L * (index - 10));
  }

  /**
   * Sets a command dword.
   *
   * @param index 10 to 15
   * @param value its value
   * @return this
   */
  public SubmissionEntry cdw(int index, int value) {
    segment.set(INT, offset + CDW10_OFFSET + 4L * (index - 10), value);
    return this;
  }

  /** {@return the first logical block of Read, Write and Write Zeroes: CDW10 and CDW11} */
  public long lba() {
    return segment.get(LONG, offset + CDW10_OFFSET);
  }

  /**
   * {@return the number of blocks of Read, Write and Write Zeroes, 1 to 65536: CDW12 bits 15:0 plus
   * one}
   */
  public int blockCount() {
    return (cdw(12) & 0xffff) + 1;
  }

  /**
   * Sets range and control of Read, Write and Write Zeroes.
   *
   * @param lba first logical block
   * @param blockCount number of blocks, 1 to 65536
   * @param control {@link #FORCE_UNIT_ACCESS}, {@link #DEALLOCATE} or 0
   * @return this
   */
  public SubmissionEntry blocks(long lba, int blockCount, int control) {
    segment.set(LONG, offset + CDW10_OFFSET, lba);
    return cdw(12, blockCount - 1 | control);
  }
}
