package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** DUALCAST, DRAIN, the fence, and which flags and fields go with which operation. */
class OperationsTest {
  private static final int FROM = 1;
  private static final int ONE = 2;
  private static final int TWO = 3;
  private static final int SIZE = 200_000;
  private static final int FLAGS = Descriptor.FLAG_COMPLETION_ADDRESS_VALID;

  private final MemorySegment from = Arena.ofAuto().allocate(SIZE, 64);
  private final MemorySegment one = Arena.ofAuto().allocate(SIZE, 64);
  private final MemorySegment two = Arena.ofAuto().allocate(SIZE, 64);
  private final FakeSpace space = new FakeSpace().with(FROM, from).with(ONE, one).with(TWO, two);
  private final DescriptorRing ring = new DescriptorRing(8);
  private final SoftwareEngine engine = new SoftwareEngine(ring, space);

  OperationsTest() {
    byte[] bytes = new byte[SIZE];
    new Random(5).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, from, JAVA_BYTE, 0, SIZE);
  }

  @Test
  void dualcastWritesBothDestinations() {
    int slot = dualcast(DmaAddress.of(ONE, 24), DmaAddress.of(TWO, 24 + 8192), 150_001);
    run();

    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(ring.record(slot).bytesCompleted()).isEqualTo(150_001);
    assertThat(one.asSlice(24, 150_001).mismatch(from.asSlice(0, 150_001))).isEqualTo(-1);
    assertThat(two.asSlice(24 + 8192, 150_001).mismatch(from.asSlice(0, 150_001))).isEqualTo(-1);
    assertThat(one.get(JAVA_BYTE, 23)).isZero();
    assertThat(two.get(JAVA_BYTE, 24 + 8192 + 150_001)).isZero();
  }

  @Test
  void dualcastAsksForBothRightsBeforeAndAfter() {
    int first = dualcast(DmaAddress.of(9, 0), DmaAddress.of(TWO, 0), 8);
    int second = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(9, 0), 8);
    run();
    assertFault(first, DmaAddress.of(9, 0));
    assertFault(second, DmaAddress.of(9, 0));
    assertThat(one.get(JAVA_LONG, 0)).as("nothing is written unless both may be").isZero();

    for (int taken : new int[] {ONE, TWO}) {
      space.limited = taken;
      space.grantedPieces = 1;
      int slot = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(TWO, 0), SIZE);
      run();
      assertFault(slot, DmaAddress.of(taken, 0));
      assertThat(ring.record(slot).bytesCompleted()).isEqualTo(SoftwareEngine.PIECE_BYTES);
      space.grantedPieces = Integer.MAX_VALUE;
      space.takenAtTheEnd = true;
      slot = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(TWO, 0), SIZE);
      run();
      assertFault(slot, DmaAddress.of(taken, 0));
      space.takenAtTheEnd = false;
    }
  }

  @Test
  void dualcastWantsAlignedAndSeparateDestinations() {
    int unequal = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(TWO, 8), 8);
    int same = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(ONE, 4096), 4097);
    int onSource = dualcast(DmaAddress.of(FROM, 4096), DmaAddress.of(TWO, 0), 4097);
    int beside = dualcast(DmaAddress.of(ONE, 0), DmaAddress.of(ONE, 4096), 4096);
    run();
    assertThat(ring.record(unequal).status()).isEqualTo(DmaStatus.DUALCAST_MISMATCH);
    assertThat(ring.record(same).status()).isEqualTo(DmaStatus.OVERLAPPING);
    assertThat(ring.record(onSource).status()).isEqualTo(DmaStatus.OVERLAPPING);
    assertThat(ring.record(beside).status()).isEqualTo(DmaStatus.SUCCESS);
  }

  @Test
  void drainCompletesAfterEverythingBeforeItAlsoWhatFails() {
    int bulk = post(Opcode.MEMMOVE, FLAGS, DmaAddress.of(FROM, 0), DmaAddress.of(ONE, 0), SIZE);
    int bad = post(Opcode.MEMMOVE, FLAGS, DmaAddress.of(9, 0), DmaAddress.of(ONE, 0), 8);
    int drain = post(Opcode.DRAIN, FLAGS, 0, 0, 0);
    ring.publish();

    while (ring.record(bulk).status() == DmaStatus.NONE) {
      assertThat(ring.record(drain).status()).isEqualTo(DmaStatus.NONE);
      int _ = engine.doWork(1);
    }
    int _ = engine.doWork(1);
    assertThat(ring.record(bad).status()).isEqualTo(DmaStatus.PAGE_FAULT);
    assertThat(ring.record(drain).status()).isEqualTo(DmaStatus.NONE);
    int _ = engine.doWork(1);
    assertThat(ring.record(drain).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(one.mismatch(from)).isEqualTo(-1);
  }

  @Test
  void aFencedDescriptorSeesWhatTheOnesBeforeItWrote() {
    int fenced = FLAGS | Descriptor.FLAG_FENCE;
    int _ = post(Opcode.MEMMOVE, FLAGS, DmaAddress.of(FROM, 0), DmaAddress.of(ONE, 0), SIZE);
    int _ = post(Opcode.FILL, fenced, 0x0102030405060708L, DmaAddress.of(ONE, 4096), 8);
    int last = post(Opcode.MEMMOVE, fenced, DmaAddress.of(ONE, 0), DmaAddress.of(TWO, 0), SIZE);
    run();
    assertThat(ring.record(last).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(two.get(JAVA_LONG, 4096)).isEqualTo(0x0102030405060708L);
    assertThat(two.asSlice(0, 4096).mismatch(from.asSlice(0, 4096))).isEqualTo(-1);
    assertThat(two.asSlice(4104).mismatch(from.asSlice(4104))).isEqualTo(-1);
  }

  @Test
  void refusesFlagsThatDoNotGoWithTheOperation() {
    for (int opcode :
        new int[] {
          Opcode.NOOP, Opcode.DRAIN, Opcode.MEMMOVE, Opcode.FILL, Opcode.DUALCAST, Opcode.COPY_CRC
        }) {
      int blockOnFault = FLAGS | 2;
      int interrupt = FLAGS | 0x10;
      for (int flags : new int[] {0, Descriptor.FLAG_REQUEST_COMPLETION, blockOnFault, interrupt}) {
        assertThat(statusOf(opcode, flags))
            .as("%x with %x", opcode, flags)
            .isEqualTo(DmaStatus.INVALID_FLAGS);
      }
      assertThat(statusOf(opcode, FLAGS | Descriptor.FLAG_REQUEST_COMPLETION))
          .as("%x", opcode)
          .isEqualTo(DmaStatus.SUCCESS);
      assertThat(statusOf(opcode, FLAGS | Descriptor.FLAG_FENCE))
          .as("%x", opcode)
          .isEqualTo(opcode == Opcode.DRAIN ? DmaStatus.INVALID_FLAGS : DmaStatus.SUCCESS);
    }
  }

  @Test
  void refusesACompletionRecordOfAnotherSlot() {
    int slot = ring.claim();
    ring.descriptor(slot).set(Opcode.NOOP, FLAGS, ring.completionAddress(slot + 1), 0, 0, 0);
    run();
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.INVALID_FLAGS);
  }

  @Test
  void refusesReservedFieldsThatAreNotZero() {
    for (int opcode : new int[] {Opcode.NOOP, Opcode.DRAIN, Opcode.MEMMOVE, Opcode.FILL}) {
      for (int at = 40; at < Descriptor.BYTES; at += 8) {
        int slot = post(opcode, FLAGS, DmaAddress.of(FROM, 0), DmaAddress.of(ONE, 0), 8);
        ring.memory().set(JAVA_LONG, ring.descriptorOffset(slot) + at, 4096);
        run();
        assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.NONZERO_RESERVED);
        ring.release();
      }
    }
    int seeded = post(Opcode.COPY_CRC, FLAGS, DmaAddress.of(FROM, 0), DmaAddress.of(ONE, 0), 8);
    ring.memory().set(JAVA_LONG, ring.descriptorOffset(seeded) + 40, 1);
    run();
    assertThat(ring.record(seeded).status()).isEqualTo(DmaStatus.INVALID_FLAGS);
  }

  @Test
  void refusesSizesThatTheOperationHasNot() {
    for (int opcode : new int[] {Opcode.MEMMOVE, Opcode.FILL, Opcode.DUALCAST, Opcode.COPY_CRC}) {
      for (int size : new int[] {0, -8, Integer.MIN_VALUE}) {
        int slot = post(opcode, FLAGS, DmaAddress.of(FROM, 0), DmaAddress.of(ONE, 0), size);
        run();
        assertThat(ring.record(slot).status()).as("%x", opcode).isEqualTo(DmaStatus.INVALID_SIZE);
        ring.release();
      }
    }
    int odd = post(Opcode.FILL, FLAGS, 1, DmaAddress.of(ONE, 0), 12);
    run();
    assertThat(ring.record(odd).status()).isEqualTo(DmaStatus.INVALID_SIZE);
  }

  private int statusOf(int opcode, int flags) {
    int slot = ring.claim();
    if (opcode == Opcode.DUALCAST) {
      ring.descriptor(slot)
          .setDualcast(
              flags,
              ring.completionAddress(slot),
              DmaAddress.of(FROM, 0),
              DmaAddress.of(ONE, 0),
              DmaAddress.of(TWO, 0),
              8);
    } else {
      ring.descriptor(slot)
          .set(
              opcode,
              flags,
              ring.completionAddress(slot),
              DmaAddress.of(FROM, 0),
              DmaAddress.of(ONE, 0),
              8);
    }
    run();
    int status = ring.record(slot).status();
    ring.release();
    return status;
  }

  private void assertFault(int slot, long address) {
    assertThat(DmaStatus.isWriteFault(ring.record(slot).status())).isTrue();
    assertThat(ring.record(slot).faultAddress()).isEqualTo(address);
  }

  private int dualcast(long first, long second, int size) {
    int slot = ring.claim();
    ring.descriptor(slot)
        .setDualcast(
            FLAGS, ring.completionAddress(slot), DmaAddress.of(FROM, 0), first, second, size);
    return slot;
  }

  private int post(int opcode, int flags, long source, long destination, int size) {
    int slot = ring.claim();
    ring.descriptor(slot)
        .set(opcode, flags, ring.completionAddress(slot), source, destination, size);
    return slot;
  }

  private void run() {
    ring.publish();
    int _ = engine.doWork();
  }
}
