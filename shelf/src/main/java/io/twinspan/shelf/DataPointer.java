package io.twinspan.shelf;

import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The data of one command, found by walking its PRP entries or its SGL (NVM Express 1.4, sections
 * 4.3 and 4.4): pieces of the client's memory, every one checked against its {@link DmaMap},
 * neighbours joined.
 *
 * <p>Every entry of a list is read exactly once. Nothing moves before all entries have been
 * checked. Reused for every command, so nothing is allocated.
 */
final class DataPointer {
  /** Size of a memory page (CC.MPS 0), and so of what one PRP entry names. */
  static final int PAGE_BYTES = 4096;

  /** The largest transfer (MDTS): 1 MiB. */
  static final int MAX_BYTES = 1 << 20;

  /** Most pieces of a transfer. */
  static final int MAX_PIECES = MAX_BYTES / PAGE_BYTES + 1;

  /** A bound for lists that name no data, or that go round in circles. */
  private static final int MAX_DESCRIPTORS = 4096;

  private static final int SGL_DESCRIPTOR_BYTES = 16;

  // Descriptor type and, always 0, its sub type: the address is one.
  private static final int SGL_DATA_BLOCK = 0x00;
  private static final int SGL_SEGMENT = 0x20;
  private static final int SGL_LAST_SEGMENT = 0x30;

  private static final long PAGE_OFFSET_MASK = PAGE_BYTES - 1;
  private static final VarHandle ENTRY =
      ValueLayout.JAVA_LONG
          .withOrder(ByteOrder.LITTLE_ENDIAN)
          .varHandle()
          .withInvokeExactBehavior();

  private DmaMap dma;
  private final MemorySegment[] segments = new MemorySegment[MAX_PIECES];
  private final long[] offsets = new long[MAX_PIECES];
  private final long[] lengths = new long[MAX_PIECES];
  private int count;

  /** Looks addresses up in the given map. */
  DataPointer(DmaMap dma) {
    this.dma = dma;
    Arrays.fill(segments, MemorySegment.NULL);
  }

  /** Looks addresses up in another map from now on. */
  void use(DmaMap other) {
    dma = other;
  }

  /** How many pieces there are. */
  int count() {
    return count;
  }

  /** The memory that a piece lies in. */
  MemorySegment segment(int piece) {
    return segments[piece];
  }

  /** Where in {@link #segment} a piece begins. */
  long offset(int piece) {
    return offsets[piece];
  }

  /** The size of a piece in bytes. */
  long length(int piece) {
    return lengths[piece];
  }

  /**
   * Finds the pieces of a transfer.
   *
   * @param prp1 the command's first entry: any multiple of 4
   * @param prp2 the second one: a page, or a list of pages
   * @param lengthBytes size of the transfer, 1 to {@link #MAX_BYTES}
   * @param write whether the drive will write to the client's memory, else read from it
   * @return {@link Status#SUCCESS}, {@link Status#INVALID_PRP_OFFSET}, or {@link
   *     Status#DATA_TRANSFER_ERROR} if an address is not mapped, or not so
   */
  int resolve(long prp1, long prp2, int lengthBytes, boolean write) {
    count = 0;
    if ((prp1 & 3) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    int first = (int) Math.min(lengthBytes, PAGE_BYTES - (prp1 & PAGE_OFFSET_MASK));
    if (!add(prp1, first, write)) {
      return Status.DATA_TRANSFER_ERROR;
    }
    int rest = lengthBytes - first;
    if (rest == 0) {
      return Status.SUCCESS;
    }
    if (rest <= PAGE_BYTES) {
      return page(prp2, rest, write);
    }
    return list(prp2, rest, write);
  }

  /**
   * Finds the pieces of a transfer as the command names them: by PRP entries or an SGL.
   *
   * @param command the command
   * @param lengthBytes size of the transfer, 1 to {@link #MAX_BYTES}
   * @param write whether the drive will write to the client's memory, else read from it
   * @return as the other one, or what is wrong with the SGL
   */
  int resolve(SubmissionEntry command, int lengthBytes, boolean write) {
    return command.flags() == SubmissionEntry.PSDT_SGL
        ? list(command.prp1(), command.prp2(), lengthBytes, write)
        : resolve(command.prp1(), command.prp2(), lengthBytes, write);
  }

  /** Copies bytes to the client, as many as were resolved; zeros where the source has no more. */
  void copyFrom(MemorySegment source) {
    long done = 0;
    for (int i = 0; i < count; i++) {
      long length = Math.clamp(source.byteSize() - done, 0, lengths[i]);
      MemorySegment.copy(source, done, segments[i], offsets[i], length);
      if (length < lengths[i]) {
        segments[i].asSlice(offsets[i] + length, lengths[i] - length).fill((byte) 0);
      }
      done += length;
    }
  }

  /** Copies bytes from the client, as many as were resolved. */
  void copyTo(MemorySegment target) {
    long done = 0;
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(segments[i], offsets[i], target, done, lengths[i]);
      done += lengths[i];
    }
  }

  /** Walks a list; its last entry in a page names the next page of the list if data is left. */
  private int list(long listAddress, int lengthBytes, boolean write) {
    int rest = lengthBytes;
    long at = listAddress;
    if ((at & 7) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    while (true) {
      int entries = (int) ((PAGE_BYTES - (at & PAGE_OFFSET_MASK)) / Long.BYTES);
      DmaMap.Region region = dma.find(at, (long) entries * Long.BYTES, false);
      if (region == null) {
        // The list may end before its page does, and the client's memory with it.
        entries = Math.min(entries, (rest + PAGE_BYTES - 1) / PAGE_BYTES);
        region = dma.find(at, (long) entries * Long.BYTES, false);
      }
      if (region == null) {
        return Status.DATA_TRANSFER_ERROR;
      }
      long offset = region.offsetOf(at);
      long next = 0;
      for (int i = 0; i < entries && rest > 0; i++) {
        long entry = (long) ENTRY.getOpaque(region.segment(), offset + (long) i * Long.BYTES);
        boolean chained = i == entries - 1 && rest > PAGE_BYTES;
        if (chained) {
          next = entry;
          break;
        }
        int length = Math.min(rest, PAGE_BYTES);
        int status = page(entry, length, write);
        if (status != Status.SUCCESS) {
          return status;
        }
        rest -= length;
      }
      if (rest == 0) {
        return Status.SUCCESS;
      }
      if ((next & PAGE_OFFSET_MASK) != 0) {
        return Status.INVALID_PRP_OFFSET;
      }
      at = next;
    }
  }

  /**
   * Walks an SGL that begins with the descriptor in the command; segments of descriptors may follow
   * it.
   */
  private int list(long firstLow, long firstHigh, int lengthBytes, boolean write) {
    count = 0;
    int rest = lengthBytes;
    long low = firstLow;
    long high = firstHigh;
    long next = 0; // where the current segment goes on
    int inSegment = 0; // descriptors that it still has
    boolean last = false;
    for (int steps = 0; steps < MAX_DESCRIPTORS; steps++) {
      int length = (int) high;
      switch ((int) (high >>> 56)) {
        case SGL_DATA_BLOCK -> {
          long used = Math.min(rest, length & 0xffff_ffffL);
          if (used > 0 && count == MAX_PIECES) {
            return Status.INVALID_SGL_COUNT;
          }
          if (used > 0 && !add(low, (int) used, write)) {
            return Status.DATA_TRANSFER_ERROR;
          }
          rest -= (int) used;
        }
        case SGL_SEGMENT, SGL_LAST_SEGMENT -> {
          if (inSegment > 0 || last || length <= 0 || ((length | low) & 15) != 0) {
            return Status.INVALID_SGL_SEGMENT; // not the last descriptor of its segment, or odd
          }
          last = (int) (high >>> 56) == SGL_LAST_SEGMENT;
          next = low;
          inSegment = length / SGL_DESCRIPTOR_BYTES;
        }
        default -> {
          return Status.INVALID_SGL_TYPE;
        }
      }
      if (rest == 0) {
        return Status.SUCCESS;
      }
      if (inSegment == 0) {
        return Status.INVALID_SGL_LENGTH;
      }
      DmaMap.Region region = dma.find(next, SGL_DESCRIPTOR_BYTES, false);
      if (region == null) {
        return Status.DATA_TRANSFER_ERROR;
      }
      long at = region.offsetOf(next);
      low = (long) ENTRY.getOpaque(region.segment(), at);
      high = (long) ENTRY.getOpaque(region.segment(), at + Long.BYTES);
      next += SGL_DESCRIPTOR_BYTES;
      inSegment--;
    }
    return Status.INVALID_SGL_COUNT;
  }

  private int page(long address, int lengthBytes, boolean write) {
    if ((address & PAGE_OFFSET_MASK) != 0) {
      return Status.INVALID_PRP_OFFSET;
    }
    return add(address, lengthBytes, write) ? Status.SUCCESS : Status.DATA_TRANSFER_ERROR;
  }

  private boolean add(long address, int lengthBytes, boolean write) {
    DmaMap.Region region = dma.find(address, lengthBytes, write);
    if (region == null) {
      return false;
    }
    long offset = region.offsetOf(address);
    int last = count - 1;
    if (count > 0
        && segments[last].equals(region.segment())
        && offsets[last] + lengths[last] == offset) {
      lengths[last] += lengthBytes;
      return true;
    }
    segments[count] = region.segment();
    offsets[count] = offset;
    lengths[count] = lengthBytes;
    count++;
    return true;
  }
}
