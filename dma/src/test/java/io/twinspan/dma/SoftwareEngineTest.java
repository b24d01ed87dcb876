package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

class SoftwareEngineTest {
  private static final int SOURCE = 1;
  private static final int DESTINATION = 2;
  private static final int FLAGS = Descriptor.FLAG_COMPLETION_ADDRESS_VALID;
  private static final int SIZE = 300_000;

  private final MemorySegment source = Arena.ofAuto().allocate(SIZE, 64);
  private final MemorySegment destination = Arena.ofAuto().allocate(SIZE, 64);
  private final FakeSpace space =
      new FakeSpace().with(SOURCE, source).with(DESTINATION, destination);
  private final DescriptorRing ring = new DescriptorRing(4);
  private final SoftwareEngine engine = new SoftwareEngine(ring, space);

  SoftwareEngineTest() {
    byte[] bytes = new byte[SIZE];
    new Random(7).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, source, JAVA_BYTE, 0, SIZE);
  }

  @Test
  void copiesWhatTheDescriptorNamesAndNothingElse() {
    int slot =
        post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 5), DmaAddress.of(DESTINATION, 11), 200_000);

    assertThat(run()).isEqualTo(1);

    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(ring.record(slot).bytesCompleted()).isEqualTo(200_000);
    assertThat(destination.asSlice(11, 200_000).mismatch(source.asSlice(5, 200_000))).isEqualTo(-1);
    assertThat(destination.get(JAVA_BYTE, 10)).isZero();
    assertThat(destination.get(JAVA_BYTE, 200_011)).isZero();
  }

  @Test
  void computesTheCrcOfWhatItWrote() {
    int slot =
        post(Opcode.COPY_CRC, DmaAddress.of(SOURCE, 3), DmaAddress.of(DESTINATION, 0), 70_001);
    run();

    byte[] written = destination.asSlice(0, 70_001).toArray(JAVA_BYTE);
    CRC32C expected = new CRC32C();
    expected.update(written);
    assertThat(ring.record(slot).crc()).isEqualTo((int) expected.getValue());
    assertThat(source.asSlice(3, 70_001).toArray(JAVA_BYTE)).isEqualTo(written);
  }

  @Test
  void fillsWithAPattern() {
    int slot = post(Opcode.FILL, 0x1122334455667788L, DmaAddress.of(DESTINATION, 8), 16);
    run();

    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(destination.get(JAVA_LONG, 8)).isEqualTo(0x1122334455667788L);
    assertThat(destination.get(JAVA_LONG, 16)).isEqualTo(0x1122334455667788L);
    assertThat(destination.get(JAVA_LONG, 24)).isZero();
  }

  @Test
  void reportsWhichAddressWasRefused() {
    int badSource = post(Opcode.MEMMOVE, DmaAddress.of(9, 0), DmaAddress.of(DESTINATION, 0), 8);
    int badTarget = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(9, 1), 8);
    int tooLong =
        post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, SIZE - 4), DmaAddress.of(DESTINATION, 0), 8);
    run();

    assertThat(DmaStatus.isReadFault(ring.record(badSource).status())).isTrue();
    assertThat(ring.record(badSource).faultAddress()).isEqualTo(DmaAddress.of(9, 0));
    assertThat(DmaStatus.isWriteFault(ring.record(badTarget).status())).isTrue();
    assertThat(ring.record(badTarget).faultAddress()).isEqualTo(DmaAddress.of(9, 1));
    assertThat(DmaStatus.isReadFault(ring.record(tooLong).status())).isTrue();
    assertThat(destination.get(JAVA_LONG, 0)).isZero();
  }

  @Test
  void failsATransferWhoseRightIsTakenWhileItRuns() {
    space.grantedPieces = 1;
    int slot = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), SIZE);
    run();

    assertThat(DmaStatus.isWriteFault(ring.record(slot).status())).isTrue();
    assertThat(ring.record(slot).bytesCompleted()).isEqualTo(SoftwareEngine.PIECE_BYTES);
    long untouched = 2L * SoftwareEngine.PIECE_BYTES;
    assertThat(destination.asSlice(untouched, 1024).mismatch(Arena.ofAuto().allocate(1024)))
        .as("what lies after the piece in which the right was lost")
        .isEqualTo(-1);
  }

  @Test
  void failsATransferWhoseRightIsTakenBeforeItIsSettled() {
    int slot = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), 8);
    ring.publish();
    assertThat(engine.carryOut(Long.MAX_VALUE)).isEqualTo(1);
    assertThat(destination.get(JAVA_LONG, 0)).isEqualTo(source.get(JAVA_LONG, 0));
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.NONE);

    space.takenAtTheEnd = true;
    assertThat(engine.settle()).isEqualTo(1);
    assertThat(DmaStatus.isWriteFault(ring.record(slot).status())).isTrue();
    assertThat(engine.settle()).isZero();
  }

  @Test
  void completesInOrderHoweverManyAreCarriedOut() {
    int[] slots = new int[ring.capacity()];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = post(Opcode.NOOP, 0, 0, 0);
    }
    int fenced = slots.length - 1;
    ring.descriptor(slots[fenced])
        .set(
            Opcode.NOOP,
            FLAGS | Descriptor.FLAG_FENCE,
            ring.completionAddress(slots[fenced]),
            0,
            0,
            0);
    ring.publish();
    assertThat(engine.carryOut(Long.MAX_VALUE)).isEqualTo(slots.length);
    assertThat(ring.record(slots[fenced - 1]).status())
        .as("one before a fence")
        .isEqualTo(DmaStatus.SUCCESS);
    assertThat(ring.record(slots[fenced]).status()).isEqualTo(DmaStatus.NONE);
    assertThat(engine.settle()).isEqualTo(1);
  }

  @Test
  void settlesByItselfWhatIsTooMuchToRemember() {
    DescriptorRing large = new DescriptorRing(64);
    SoftwareEngine other = new SoftwareEngine(large, space);
    for (int i = 0; i < large.capacity(); i++) {
      int slot = large.claim();
      long to = DmaAddress.of(DESTINATION, 8L * i);
      large
          .descriptor(slot)
          .set(
              Opcode.MEMMOVE,
              FLAGS,
              large.completionAddress(slot),
              DmaAddress.of(SOURCE, 0),
              to,
              8);
    }
    large.publish();
    int ended = other.carryOut(Long.MAX_VALUE);
    assertThat(ended).isEqualTo(large.capacity());
    assertThat(other.settle()).isBetween(1, ended - 1);
    for (int slot = 0; slot < large.capacity(); slot++) {
      assertThat(large.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    }
  }

  @Test
  void refusesWhatItDoesNotKnow() {
    int opcode = post(0x7f, 0, 0, 8);
    int negative =
        post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), -1);
    run();

    assertThat(ring.record(opcode).status()).isEqualTo(DmaStatus.BAD_OPCODE);
    assertThat(ring.record(negative).status()).isEqualTo(DmaStatus.INVALID_SIZE);
  }

  @Test
  void usesASlotAgainOnlyAfterItsCompletionWasSeen() {
    for (int i = 0; i < ring.capacity(); i++) {
      int _ = post(Opcode.NOOP, 0, 0, 0);
    }
    assertThat(ring.claim()).isEqualTo(DescriptorRing.FULL);
    run();
    assertThat(ring.claim()).as("completed but not released").isEqualTo(DescriptorRing.FULL);

    ring.release();

    int again = ring.claim();
    assertThat(again).isZero();
    assertThat(ring.record(again).status()).isEqualTo(DmaStatus.NONE);
    assertThat(ring.inUse()).isEqualTo(4);
  }

  @Test
  void doesNothingUntilTheDoorbell() {
    int slot = claim(Opcode.NOOP, 0, 0, 0);

    assertThat(engine.doWork()).isZero();
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.NONE);
    assertThat(run()).isEqualTo(1);
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
  }

  @Test
  void writesDescriptorsInTheLayoutOfDsa() {
    int slot = claim(Opcode.MEMMOVE, 0x1111, 0x2222, 0x3333);
    MemorySegment memory = ring.memory();
    long at = ring.descriptorOffset(slot);

    assertThat(memory.get(JAVA_BYTE, at + 7)).isEqualTo((byte) Opcode.MEMMOVE);
    assertThat(memory.get(JAVA_BYTE, at + 4)).isEqualTo((byte) FLAGS);
    assertThat(memory.get(JAVA_LONG, at + 8)).isEqualTo(ring.completionAddress(slot));
    assertThat(memory.get(JAVA_LONG, at + 16)).isEqualTo(0x1111);
    assertThat(memory.get(JAVA_LONG, at + 24)).isEqualTo(0x2222);
    assertThat(memory.get(JAVA_LONG, at + 32)).isEqualTo(0x3333);
    assertThat(memory.asSlice(at + 40, 24).mismatch(Arena.ofAuto().allocate(24))).isEqualTo(-1);
  }

  @Test
  void aWorkerThreadCarriesOutWhatAnotherThreadPosts() throws InterruptedException {
    AtomicBoolean done = new AtomicBoolean();
    Thread worker =
        Thread.ofPlatform()
            .start(() -> {
              while (!done.get()) {
                if (engine.doWork() == 0) {
                  Thread.onSpinWait();
                }
              }
            });
    try {
      for (int completed = 0, posted = 0; completed < 2_000; ) {
        if (posted < 2_000 && ring.inUse() < ring.capacity()) {
          long to = DmaAddress.of(DESTINATION, (posted % ring.capacity()) * 64L);
          source.set(JAVA_LONG, (posted % ring.capacity()) * 64L, posted);
          int _ =
              claim(
                  Opcode.MEMMOVE, DmaAddress.of(SOURCE, (posted % ring.capacity()) * 64L), to, 64);
          ring.publish();
          posted++;
        } else if (ring.record(ring.next()).status() != DmaStatus.NONE) {
          assertThat(ring.record(ring.next()).status()).isEqualTo(DmaStatus.SUCCESS);
          assertThat(destination.get(JAVA_LONG, ring.next() * 64L)).isEqualTo(completed);
          ring.release();
          completed++;
        } else {
          Thread.onSpinWait();
        }
      }
    } finally {
      done.set(true);
      worker.join();
    }
  }

  @Test
  void leavesALongTransferBetweenTwoPiecesAndGoesOn() {
    int slot = post(Opcode.COPY_CRC, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), SIZE);
    ring.publish();

    int piece = SoftwareEngine.PIECE_BYTES;
    for (int done = piece; done < SIZE; done += piece) {
      assertThat(engine.doWork(1)).isEqualTo(1);
      assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.NONE);
      assertThat(destination.asSlice(0, done).mismatch(source.asSlice(0, done))).isEqualTo(-1);
      assertThat(destination.get(JAVA_BYTE, done)).isZero();
      assertThat(engine.hasWork()).isTrue();
    }
    assertThat(engine.doWork(1)).isEqualTo(1);
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    CRC32C expected = new CRC32C();
    expected.update(source.asByteBuffer());
    assertThat(ring.record(slot).crc()).isEqualTo((int) expected.getValue());
    assertThat(engine.hasWork()).isFalse();
    assertThat(engine.movedBytes()).isEqualTo(SIZE);
  }

  @Test
  void carriesOutManySmallDescriptorsButNotMoreThanWhatTheyCount() {
    for (int i = 0; i < 4; i++) {
      int _ = post(Opcode.NOOP, 0, 0, 0);
    }
    ring.publish();
    assertThat(engine.doWork(2L * SoftwareEngine.DESCRIPTOR_COST_BYTES)).isEqualTo(2);
    assertThat(engine.doWork(1)).isEqualTo(1);
  }

  @Test
  void aDescriptorThatIsTakenBackInTheMiddleCompletesAndMovesNoMore() {
    int slot = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), SIZE);
    ring.publish();
    int _ = engine.doWork(1);

    ring.descriptor(slot).cancel();

    assertThat(engine.doWork()).isEqualTo(1);
    assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(destination.get(JAVA_BYTE, SoftwareEngine.PIECE_BYTES)).isZero();
  }

  @Test
  void whatIsDiscardedIsNeverCarriedOut() {
    int _ = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), SIZE);
    int _ = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(DESTINATION, 0), SIZE);
    ring.publish();
    int _ = engine.doWork(1);

    engine.discard();
    ring.releaseAll();

    assertThat(engine.doWork()).isZero();
    assertThat(destination.get(JAVA_BYTE, SoftwareEngine.PIECE_BYTES)).isZero();
    assertThat(ring.inUse()).isZero();
    int again = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 9), DmaAddress.of(DESTINATION, 0), 100);
    assertThat(run()).isEqualTo(1);
    assertThat(ring.record(again).bytesCompleted()).isEqualTo(100);
    assertThat(destination.asSlice(0, 100).mismatch(source.asSlice(9, 100))).isEqualTo(-1);
  }

  @Test
  void movesOverlappingMemoryAsMemmoveDoes() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] model = source.toArray(JAVA_BYTE);
    for (int round = 0; round < 200; round++) {
      int length = 1 + random.nextInt(200_000);
      int from = random.nextInt(SIZE - length);
      int to = random.nextInt(SIZE - length);
      int slot = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, from), DmaAddress.of(9, to), length);
      space.with(9, source);
      run();
      assertThat(ring.record(slot).status()).isEqualTo(DmaStatus.SUCCESS);
      ring.release();
      System.arraycopy(model, from, model, to, length);
      assertThat(source.mismatch(MemorySegment.ofArray(model)))
          .as("round %d, seed %d", round, seed)
          .isEqualTo(-1);
    }
  }

  @Test
  void memoryThatWasUnmappedIsAFault() {
    Arena gone = Arena.ofShared();
    space.with(7, gone.allocate(4096, 64));
    gone.close();
    int from = post(Opcode.MEMMOVE, DmaAddress.of(7, 0), DmaAddress.of(DESTINATION, 0), 8);
    int to = post(Opcode.MEMMOVE, DmaAddress.of(SOURCE, 0), DmaAddress.of(7, 0), 8);
    int fill = post(Opcode.FILL, 1, DmaAddress.of(7, 0), 8);
    run();
    assertThat(DmaStatus.isReadFault(ring.record(from).status())).isTrue();
    assertThat(DmaStatus.isWriteFault(ring.record(to).status())).isTrue();
    assertThat(DmaStatus.isWriteFault(ring.record(fill).status())).isTrue();
  }

  private int post(int opcode, long from, long to, int size) {
    return claim(opcode, from, to, size);
  }

  private int claim(int opcode, long from, long to, int size) {
    int slot = ring.claim();
    ring.descriptor(slot).set(opcode, FLAGS, ring.completionAddress(slot), from, to, size);
    return slot;
  }

  private int run() {
    ring.publish();
    return engine.doWork();
  }
}
