package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * Carries out the descriptors of one ring, in order, with the processor.
 *
 * <p>Passive: the poster calls {@link #doWork(long)} after it published (the <em>inline</em>
 * engine, no hand-over, best for small copies), or a {@link DmaWorker} does in its thread. It works
 * in pieces of at most {@value #PIECE_BYTES} bytes: a call may end between two pieces of a
 * transfer, which the next call goes on with. Before each piece the addresses are resolved anew,
 * and after it the right to the destination is looked at again, which bounds what a writer whose
 * right was taken can still do. Memory that was unmapped is a fault like any other. Nothing is
 * allocated.
 */
public final class SoftwareEngine implements Agent {
  /** How much is copied between two looks at the right to do so, in bytes. */
  public static final int PIECE_BYTES = 64 * 1024;

  /** What a descriptor counts at least when work is measured in bytes. */
  public static final int DESCRIPTOR_COST_BYTES = 1024;

  private static final int SCRATCH_BYTES = 4096;
  private static final long PAGE_MASK = 4095;
  private static final int FAULT_ON_READ = DmaStatus.PAGE_FAULT;
  private static final int FAULT_ON_WRITE = DmaStatus.PAGE_FAULT | DmaStatus.FAULT_ON_WRITE;
  private static final ValueLayout.OfLong PATTERN =
      JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final DescriptorRing ring;
  private final AddressSpace space;
  private final Descriptor descriptor = new Descriptor();
  private final CompletionRecord record = new CompletionRecord();
  private final Translation source = new Translation();
  private final Translation destination = new Translation();
  private final Translation second = new Translation();
  private final byte[] scratch = new byte[SCRATCH_BYTES];
  private final CRC32C crc32c = new CRC32C();
  private long consumed;
  private long movedBytes;

  // What the descriptor in hand comes to; it is in hand from its first piece on.
  private int done;
  private long faultAddress;
  private int crc;

  /**
   * An engine for one ring.
   *
   * @param ring whose descriptors to carry out; no other engine may
   * @param space what their addresses mean
   */
  public SoftwareEngine(DescriptorRing ring, AddressSpace space) {
    this.ring = ring;
    this.space = space;
  }

  /**
   * Carries out everything that is published, at most one ringful.
   *
   * @return how many descriptors that were
   */
  @Override
  public int doWork() {
    return doWork(Long.MAX_VALUE);
  }

  /**
   * Carries out what is published, at most one ringful, until a number of bytes was moved; a
   * descriptor counts as {@value #DESCRIPTOR_COST_BYTES} at least.
   *
   * @param maxBytes when to stop; what is moved beyond it is less than a piece
   * @return how many descriptors were completed, or 1 if only a part of one was carried out
   */
  public int doWork(long maxBytes) {
    // The poster's count may lie in memory that others can write: never do more than a ringful.
    int count = Math.clamp(ring.published() - consumed, 0, ring.capacity());
    int completed = 0;
    long moved = 0;
    while (completed < count && moved < maxBytes) {
      int slot = (int) consumed & (ring.capacity() - 1);
      int before = done;
      int status = step(slot);
      moved += Math.max(done - before, DESCRIPTOR_COST_BYTES);
      if (status != DmaStatus.NONE) {
        record
            .wrap(ring.memory(), ring.recordOffset(slot))
            .complete(status, done, faultAddress, crc);
        done = 0;
        consumed++;
        completed++;
      }
    }
    if (completed > 0) {
      ring.consumed(consumed);
    }
    movedBytes += moved;
    return completed == 0 && moved > 0 ? 1 : completed;
  }

  /** Whether there is anything to do; the engine's thread only. */
  public boolean hasWork() {
    return ring.published() != consumed;
  }

  /** What all work came to so far in bytes, as {@link #doWork(long)} counts; its thread only. */
  public long movedBytes() {
    return movedBytes;
  }

  /**
   * Forgets everything that is published, also what is half done; the slots get no completions. The
   * poster calls {@link DescriptorRing#releaseAll} afterwards. Only while the engine's thread does
   * not work.
   */
  public void discard() {
    consumed = ring.published();
    done = 0;
    ring.consumed(consumed);
  }

  @Override
  public String roleName() {
    return "dma";
  }

  /** Carries out one piece; returns what became of the whole, or NONE if there is more to do. */
  private int step(int slot) {
    descriptor.wrap(ring.memory(), ring.descriptorOffset(slot));
    int opcode = descriptor.opcode();
    int sizeBytes = descriptor.sizeBytes();
    if (done == 0) {
      faultAddress = 0;
      crc = 0;
      crc32c.reset();
      int objection = objection(slot, opcode, descriptor.flags(), sizeBytes);
      if (objection != DmaStatus.NONE) {
        return objection;
      }
    }
    if (opcode == Opcode.NOOP || opcode == Opcode.DRAIN) {
      return DmaStatus.SUCCESS; // descriptors complete in order, so everything before has completed
    }
    int status = resolve(opcode, sizeBytes);
    if (status != DmaStatus.NONE) {
      return status;
    }
    int piece = Math.min(PIECE_BYTES, sizeBytes - done);
    try {
      move(opcode, sizeBytes, piece);
    } catch (IllegalStateException | IndexOutOfBoundsException e) {
      // Its owner unmapped the memory, or gave it back between the check and the copy.
      boolean targetIsThere = destination.segment().scope().isAlive();
      return opcode != Opcode.FILL && targetIsThere
          ? fault(FAULT_ON_READ, descriptor.source())
          : fault(FAULT_ON_WRITE, descriptor.destination());
    }
    SharedMemory.fullFence(); // what was written is visible before the right is looked at again
    if (!space.stillGranted(destination)) {
      return fault(FAULT_ON_WRITE, descriptor.destination());
    }
    if (opcode == Opcode.DUALCAST && !space.stillGranted(second)) {
      return fault(FAULT_ON_WRITE, descriptor.secondDestination());
    }
    done += piece;
    if (done < sizeBytes) {
      return DmaStatus.NONE;
    }
    crc = opcode == Opcode.COPY_CRC ? (int) crc32c.getValue() : 0;
    return DmaStatus.SUCCESS;
  }

  /** Why a descriptor is refused before anything is done; NONE if it is sound. */
  private int objection(int slot, int opcode, int flags, int sizeBytes) {
    boolean recordIsThere =
        (flags & Descriptor.FLAG_COMPLETION_ADDRESS_VALID) != 0
            && descriptor.completionAddress() == ring.completionAddress(slot);
    if (!recordIsThere || (flags & ~Descriptor.KNOWN_FLAGS) != 0) {
      return DmaStatus.INVALID_FLAGS;
    }
    boolean moves =
        switch (opcode) {
          case Opcode.MEMMOVE, Opcode.FILL, Opcode.DUALCAST, Opcode.COPY_CRC -> true;
          default -> false;
        };
    if (!moves && opcode != Opcode.NOOP && opcode != Opcode.DRAIN) {
      return DmaStatus.BAD_OPCODE;
    }
    if (opcode == Opcode.DRAIN && (flags & Descriptor.FLAG_FENCE) != 0) {
      return DmaStatus.INVALID_FLAGS; // it is a fence itself
    }
    if (!descriptor.reservedIsZero()) {
      return DmaStatus.NONZERO_RESERVED;
    }
    if (moves && sizeBytes <= 0) {
      return DmaStatus.INVALID_SIZE;
    }
    return switch (opcode) {
      case Opcode.FILL ->
          (sizeBytes & (Long.BYTES - 1)) == 0 ? DmaStatus.NONE : DmaStatus.INVALID_SIZE;
      // Only the CRC of the whole transfer is offered.
      case Opcode.COPY_CRC -> descriptor.crcSeed() == 0 ? DmaStatus.NONE : DmaStatus.INVALID_FLAGS;
      case Opcode.DUALCAST ->
          ((descriptor.destination() ^ descriptor.secondDestination()) & PAGE_MASK) == 0
              ? DmaStatus.NONE
              : DmaStatus.DUALCAST_MISMATCH;
      default -> DmaStatus.NONE;
    };
  }

  private int resolve(int opcode, int sizeBytes) {
    if (opcode != Opcode.FILL && !space.resolveSource(descriptor.source(), sizeBytes, source)) {
      return fault(FAULT_ON_READ, descriptor.source());
    }
    if (!space.resolveDestination(descriptor.destination(), sizeBytes, destination)) {
      return fault(FAULT_ON_WRITE, descriptor.destination());
    }
    if (opcode == Opcode.DUALCAST) {
      if (!space.resolveDestination(descriptor.secondDestination(), sizeBytes, second)) {
        return fault(FAULT_ON_WRITE, descriptor.secondDestination());
      }
      if (overlaps(source, destination, sizeBytes)
          || overlaps(source, second, sizeBytes)
          || overlaps(destination, second, sizeBytes)) {
        return DmaStatus.OVERLAPPING;
      }
    }
    if (opcode == Opcode.COPY_CRC && overlaps(source, destination, sizeBytes)) {
      return DmaStatus.OVERLAPPING;
    }
    return DmaStatus.NONE;
  }

  private void move(int opcode, int sizeBytes, int piece) {
    switch (opcode) {
      case Opcode.FILL -> fill(piece);
      case Opcode.COPY_CRC -> copyWithCrc(piece);
      case Opcode.DUALCAST -> {
        copy(destination, done, piece);
        copy(second, done, piece);
      }
      default -> {
        // As memmove(3): where the destination begins within the source, from the end.
        boolean backwards =
            address(destination) > address(source) && overlaps(source, destination, sizeBytes);
        copy(destination, backwards ? sizeBytes - done - piece : done, piece);
      }
    }
  }

  private void copy(Translation to, int at, int piece) {
    MemorySegment.copy(
        source.segment(), source.offset() + at, to.segment(), to.offset() + at, piece);
  }

  /** By way of an array, so that the CRC is of the bytes that were written, even if they change. */
  private void copyWithCrc(int piece) {
    int end = done + piece;
    for (int at = done; at < end; at += SCRATCH_BYTES) {
      int count = Math.min(SCRATCH_BYTES, end - at);
      MemorySegment.copy(source.segment(), JAVA_BYTE, source.offset() + at, scratch, 0, count);
      crc32c.update(scratch, 0, count);
      MemorySegment.copy(
          scratch, 0, destination.segment(), JAVA_BYTE, destination.offset() + at, count);
    }
  }

  private void fill(int piece) {
    long pattern = descriptor.source();
    for (int i = 0; i < piece; i += Long.BYTES) {
      destination.segment().set(PATTERN, destination.offset() + done + i, pattern);
    }
  }

  private static boolean overlaps(Translation one, Translation other, int sizeBytes) {
    return Math.abs(address(one) - address(other)) < sizeBytes;
  }

  private static long address(Translation place) {
    return place.segment().address() + place.offset();
  }

  private int fault(int status, long address) {
    faultAddress = address;
    return status;
  }
}
