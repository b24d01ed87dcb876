package io.twinspan.dma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class EngineTurnsTest {
  private static final int PIECE = SoftwareEngine.PIECE_BYTES;
  private static final int SIZE = 64 * PIECE;

  private final MemorySegment memory = Arena.ofAuto().allocate(2L * SIZE, 64);
  private final FakeSpace space = new FakeSpace().with(1, memory);
  private final DescriptorRing[] rings = new DescriptorRing[4];
  private final EngineTurns turns = new EngineTurns();

  private void join(int id, int priority, int weight) {
    rings[id] = new DescriptorRing(256);
    turns.add(new SoftwareEngine(rings[id], space), id, priority, weight);
  }

  private void post(int id, int size) {
    DescriptorRing ring = rings[id];
    int slot = ring.claim();
    ring.descriptor(slot)
        .set(
            Opcode.MEMMOVE,
            Descriptor.FLAG_COMPLETION_ADDRESS_VALID,
            ring.completionAddress(slot),
            DmaAddress.of(1, 0),
            DmaAddress.of(1, SIZE),
            size);
    ring.publish();
  }

  @Test
  void aHigherPriorityWaitsForOnePieceAtMost() {
    join(0, 2, 1);
    join(1, 0, 1);
    post(0, SIZE);
    assertThat(turns.step()).isZero();

    post(1, 64);
    assertThat(turns.step()).isEqualTo(1);
    assertThat(rings[1].record(rings[1].next()).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(turns.step()).isZero();
  }

  @Test
  void equalsShareByTheirWeightsAndTheLowerOnesWait() {
    join(3, 7, 64);
    join(0, 1, 1);
    join(1, 1, 3);
    join(2, 1, 2);
    for (int id = 0; id < 4; id++) {
      post(id, SIZE);
    }
    int[] steps = new int[4];
    for (int i = 0; i < 60; i++) {
      steps[turns.step()]++;
    }
    assertThat(steps).containsExactly(10, 30, 20, 0);
  }

  @Test
  void smallTransfersGetTheSameShareOfBytesAsLongOnes() {
    join(0, 1, 1);
    join(1, 1, 1);
    for (int i = 0; i < 256; i++) {
      post(0, 8192);
    }
    post(1, SIZE);
    for (int i = 0; i < 20; i++) {
      int _ = turns.step();
    }
    assertThat(rings[0].consumedCount() * 8192).isEqualTo(10L * PIECE);
  }

  @Test
  void whoHadNothingToDoSavedNothingUp() {
    join(0, 1, 1);
    join(1, 1, 1);
    post(0, SIZE);
    for (int i = 0; i < 30; i++) {
      assertThat(turns.step()).isZero();
    }
    post(1, SIZE);
    int[] steps = new int[2];
    for (int i = 0; i < 20; i++) {
      steps[turns.step()]++;
    }
    assertThat(steps).containsExactly(10, 10);
  }

  @Test
  void thereIsNoTurnWhenThereIsNoWork() {
    assertThat(turns.step()).isEqualTo(EngineTurns.NONE);
    join(0, 1, 1);
    join(1, 3, 1);
    assertThat(turns.step()).isEqualTo(EngineTurns.NONE);
    post(1, 8);
    assertThat(turns.step()).isEqualTo(1);
    assertThat(turns.step()).isEqualTo(EngineTurns.NONE);
    assertThatThrownBy(() -> join(2, 8, 1)).isInstanceOf(IllegalArgumentException.class);
  }
}
