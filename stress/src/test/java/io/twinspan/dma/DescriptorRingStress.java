package io.twinspan.dma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/** What the engine sees of a descriptor is whole, and so is what the poster sees of its record. */
@JCStressTest
@Outcome(id = "0, 0, 0", expect = Expect.ACCEPTABLE, desc = "not published yet")
@Outcome(id = "1, 4096, 0", expect = Expect.ACCEPTABLE, desc = "published, not completed yet")
@Outcome(id = "1, 4096, 4096", expect = Expect.ACCEPTABLE, desc = "published and completed")
@Outcome(expect = Expect.FORBIDDEN, desc = "a torn descriptor or record")
@State
public class DescriptorRingStress {
  private static final int SIZE = 4096;

  private final DescriptorRing ring = new DescriptorRing(2);
  private final Descriptor seen = new Descriptor();
  private final CompletionRecord written = new CompletionRecord();

  /** Inserts a descriptor, and looks at its completion once. */
  @Actor
  public void poster(III_Result result) {
    int slot = ring.claim();
    ring.descriptor(slot).set(Opcode.MEMMOVE, 0, ring.completionAddress(slot), 1, 2, SIZE);
    ring.publish();
    CompletionRecord record = ring.record(slot);
    result.r3 = record.status() == DmaStatus.SUCCESS ? record.bytesCompleted() : 0;
  }

  /** Looks once whether there is a descriptor, and completes it. */
  @Actor
  public void engine(III_Result result) {
    if (ring.published() == 0) {
      return;
    }
    seen.wrap(ring.memory(), ring.descriptorOffset(0));
    result.r1 = seen.opcode() == Opcode.MEMMOVE && seen.destination() == 2 ? 1 : -1;
    result.r2 = seen.sizeBytes();
    written.wrap(ring.memory(), ring.recordOffset(0)).complete(DmaStatus.SUCCESS, SIZE, 0, 0);
  }
}
