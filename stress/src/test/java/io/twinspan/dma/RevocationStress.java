package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * The engine copies and then looks at the right again; the owner takes the right back and then
 * looks at the memory. If the engine reports success the owner has seen the bytes.
 */
@JCStressTest
@Outcome(id = "1, 7", expect = Expect.ACCEPTABLE, desc = "written before the right was taken")
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "refused")
@Outcome(id = "0, 7", expect = Expect.ACCEPTABLE, desc = "bytes arrived, but nobody was told so")
@Outcome(id = "1, 0", expect = Expect.FORBIDDEN, desc = "told it was written; the owner missed it")
@State
public class RevocationStress {
  private static final Arena ARENA = Arena.ofAuto();
  private static final MemorySegment SOURCE = ARENA.allocate(64, 64);

  static {
    SOURCE.set(JAVA_INT, 0, 7);
  }

  private final MemorySegment memory = ARENA.allocate(256, 128);
  private final DescriptorRing ring = new DescriptorRing(1);
  private final SoftwareEngine engine = new SoftwareEngine(ring, new OneRegion(memory));
  private final int slot = ring.claim();

  /** The requester's descriptor is inserted before, so that the two actors meet in the copy. */
  public RevocationStress() {
    int flags = Descriptor.FLAG_COMPLETION_ADDRESS_VALID | Descriptor.FLAG_REQUEST_COMPLETION;
    ring.descriptor(slot).set(Opcode.MEMMOVE, flags, ring.completionAddress(slot), 0, 0, 4);
    ring.publish();
  }

  /** The requester. */
  @Actor
  public void write(II_Result result) {
    int _ = engine.doWork();
    result.r1 = ring.record(slot).status() == DmaStatus.SUCCESS ? 1 : 0;
  }

  /** The memory's owner, as when a region is deregistered. */
  @Actor
  public void revoke(II_Result result) {
    SharedMemory.setLongRelease(memory, OneRegion.KEY, 0);
    SharedMemory.fullFence();
    result.r2 = memory.get(JAVA_INT, OneRegion.DATA);
  }

  /** A key word, and memory that may be written while the key stands. */
  private record OneRegion(MemorySegment memory) implements AddressSpace {
    static final long KEY = 0;
    static final long DATA = 128;

    private OneRegion {
      SharedMemory.setLongRelease(memory, KEY, 1);
    }

    @Override
    public boolean resolveSource(long address, int lengthBytes, Translation into) {
      into.set(SOURCE, 0, 0, 0);
      return true;
    }

    @Override
    public boolean resolveDestination(long address, int lengthBytes, Translation into) {
      into.set(memory, DATA, KEY, 1);
      return SharedMemory.getLongAcquire(memory, KEY) == 1;
    }

    @Override
    public boolean stillGranted(long slot, long witness) {
      return SharedMemory.getLongAcquire(memory, slot) == witness;
    }
  }
}
