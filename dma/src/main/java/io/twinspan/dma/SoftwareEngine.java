package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * Carries out the descriptors of one ring, in order, with the processor.
 *
 * <p>Passive: the poster calls {@link #doWork(long)} after it published (the <em>inline</em>
 * engine, no hand-over, best for small copies), or a {@link DmaWorker} does in its thread. It works
 * in pieces of at most {@value #PIECE_BYTES} bytes: a call may end between two pieces of a
 * transfer, which the next call goes on with. Before each piece the addresses are resolved anew,
 * which bounds what a writer whose right was taken can still do. Memory that was unmapped is a
 * fault like any other. Nothing is allocated.
 *
 * <p>Work has two halves, so that many transfers share the second one's full fence, which costs as
 * much as a copy of some KiB: {@link #carryOut} moves bytes, and {@link #settle} looks again at the
 * rights to all destinations and completes the descriptors.
 */
public final class SoftwareEngine implements Agent {
  /** How much is copied between two looks at the right to do so, in bytes. */
  public static final int PIECE_BYTES = 64 * 1024;

  /** What a descriptor counts at least when work is measured in bytes. */
  public static final int DESCRIPTOR_COST_BYTES = 1024;

  /** How many descriptors may be carried out and not settled; a power of two. */
  private static final int UNSETTLED = 32;

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
  private final Outcome[] outcomes = new Outcome[UNSETTLED];
  private long carriedOut;
  private long settled;
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
    for (int i = 0; i < UNSETTLED; i++) {
      outcomes[i] = new Outcome();
    }
  }

  /**
   * Carries out and settles everything that is published, at most one ringful.
   *
   * @return how many descriptors that were
   */
  @Override
  public int doWork() {
    return doWork(Long.MAX_VALUE);
  }

  /**
   * Carries out what is published, at most one ringful, until a number of bytes was moved, and
   * settles it; a descriptor counts as {@value #DESCRIPTOR_COST_BYTES} at least.
   *
   * @param maxBytes when to stop; what is moved beyond it is less than a piece
   * @return how many descriptors were completed, or 1 if only a part of one was carried out
   */
  public int doWork(long maxBytes) {
    long before = movedBytes;
    int _ = carryOut(maxBytes);
    int completed = settle();
    return completed == 0 && movedBytes > before ? 1 : completed;
  }

  /**
   * The first half of {@link #doWork(long)}: moves bytes. Whoever shares the destination may see
   * them, but no descriptor is completed before {@link #settle}, except where too many wait for it.
   *
   * @param maxBytes when to stop; what is moved beyond it is less than a piece
   * @return how many descriptors were carried out to their end
   */
  public int carryOut(long maxBytes) {
    // The poster's count may lie in memory that others can write: never do more than a ringful.
    int count = Math.clamp(ring.published() - carriedOut, 0, ring.capacity());
    int ended = 0;
    long moved = 0;
    while (ended < count && moved < maxBytes) {
      int before = done;
      int status = step((int) carriedOut & (ring.capacity() - 1));
      moved += Math.max(done - before, DESCRIPTOR_COST_BYTES);
      if (status != DmaStatus.NONE) {
        if (carriedOut - settled == UNSETTLED) {
          int _ = settle();
        }
        outcomes[(int) carriedOut & (UNSETTLED - 1)].note(this, status);
        done = 0;
        carriedOut++;
        ended++;
      }
    }
    movedBytes += moved;
    return ended;
  }

  /**
   * The second half of {@link #doWork(long)}: a full fence, then a look at the rights to everything
   * that was written, then the completion records.
   *
   * @return how many descriptors were completed
   */
  public int settle() {
    int count = (int) (carriedOut - settled);
    if (count == 0) {
      return 0;
    }
    SharedMemory.fullFence(); // what was written is visible before the rights are looked at again
    for (; settled < carriedOut; settled++) {
      int slot = (int) settled & (ring.capacity() - 1);
      outcomes[(int) settled & (UNSETTLED - 1)].complete(
          space, record.wrap(ring.memory(), ring.recordOffset(slot)));
    }
    ring.consumed(settled);
    return count;
  }

  /** Whether there is anything to carry out; the engine's thread only. */
  public boolean hasWork() {
    return ring.published() != carriedOut;
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
    carriedOut = ring.published();
    settled = carriedOut;
    done = 0;
    ring.consumed(settled);
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
      if ((descriptor.flags() & Descriptor.FLAG_FENCE) != 0 || opcode == Opcode.DRAIN) {
        int _ = settle(); // all before it are complete when it begins
      }
      faultAddress = 0;
      crc = 0;
      crc32c.reset();
      int objection = objection(slot, opcode, descriptor.flags(), sizeBytes);
      if (objection != DmaStatus.NONE) {
        return objection;
      }
    }
    if (opcode == Opcode.NOOP || opcode == Opcode.DRAIN) {
      return DmaStatus.SUCCESS;
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
    VarHandle.releaseFence(); // transfers arrive in their order
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

  /** What became of a descriptor that is carried out and not settled. */
  private static final class Outcome {
    private int status;
    private int bytes;
    private int crc;
    private long faultAddress;
    private boolean wrote;
    private boolean wroteTwice;
    private long destination;
    private long secondDestination;
    private long slot;
    private long witness;
    private long secondSlot;
    private long secondWitness;

    void note(SoftwareEngine engine, int ending) {
      status = ending;
      bytes = engine.done;
      crc = engine.crc;
      faultAddress = engine.faultAddress;
      wrote = ending == DmaStatus.SUCCESS && bytes > 0;
      wroteTwice = wrote && engine.descriptor.opcode() == Opcode.DUALCAST;
      if (wrote) {
        destination = engine.descriptor.destination();
        slot = engine.destination.slot();
        witness = engine.destination.witness();
      }
      if (wroteTwice) {
        secondDestination = engine.descriptor.secondDestination();
        secondSlot = engine.second.slot();
        secondWitness = engine.second.witness();
      }
    }

    void complete(AddressSpace space, CompletionRecord record) {
      if (wrote && !space.stillGranted(slot, witness)) {
        status = FAULT_ON_WRITE;
        faultAddress = destination;
      } else if (wroteTwice && !space.stillGranted(secondSlot, secondWitness)) {
        status = FAULT_ON_WRITE;
        faultAddress = secondDestination;
      }
      record.complete(status, bytes, faultAddress, crc);
    }
  }
}
