package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SpaceMapTest {
  private final SpaceMap space = new SpaceMap(160, 16);

  @Test
  void runsStayWithinAChunkAndGoOnWhereTheLastEnded() {
    assertThat(space.allocate(10)).isEqualTo(0);
    assertThat(space.runLength()).isEqualTo(10);
    assertThat(space.allocate(10)).isEqualTo(10);
    assertThat(space.runLength()).isEqualTo(6);
    assertThat(space.allocate(10)).isEqualTo(16);
    assertThat(space.freeBlocks()).isEqualTo(160 - 26);
  }

  @Test
  void wrapsAroundToWhatBecameFree() {
    while (space.allocate(16) >= 0) {
      assertThat(space.runLength()).isEqualTo(16);
    }
    assertThat(space.freeBlocks()).isZero();
    space.release(70, 3);
    assertThat(space.allocate(16)).isEqualTo(70);
    assertThat(space.runLength()).isEqualTo(3);
    assertThat(space.allocate(1)).isEqualTo(-1);
  }

  @Test
  void supersededBlocksBecomeFreeOnlyByTheFlushThatCoversThem() {
    space.use(0, 160);
    space.supersededBy(7);
    space.freed(4);
    space.freed(5);
    space.supersededBy(8);
    space.freed(6);
    assertThat(space.freeBlocks()).isZero();
    assertThat(space.pendingBlocks()).isEqualTo(3);
    space.flushed(6);
    assertThat(space.freeBlocks()).isZero();
    space.flushed(7);
    assertThat(space.freeBlocks()).isEqualTo(2);
    assertThat(space.isUsed(6)).isTrue();
    space.flushed(9);
    assertThat(space.freeBlocks()).isEqualTo(3);
    assertThat(space.pendingBlocks()).isZero();
  }

  @Test
  void degradedChunksAreUsedLastAndLostOnesNever() {
    space.copiesLeft(0, 1);
    space.copiesLeft(1, 0);
    int whole = 0;
    for (int first = space.allocate(16); first != 0; first = space.allocate(16)) {
      assertThat(first / 16).isGreaterThan(1);
      whole++;
    }
    assertThat(whole).isEqualTo(8);
    assertThat(space.allocate(16)).isEqualTo(-1);
    space.release(16, 4);
    assertThat(space.freeBlocks()).isZero();
  }

  @Test
  void agreesWithAModelOverManyRandomSteps() {
    Random random = new Random(5);
    BitSet used = new BitSet();
    BitSet superseded = new BitSet();
    for (long sequence = 1; sequence < 5000; sequence++) {
      space.supersededBy(sequence);
      int first = space.allocate(1 + random.nextInt(8));
      if (first >= 0) {
        assertThat(used.get(first, first + space.runLength()).isEmpty()).isTrue();
        used.set(first, first + space.runLength());
      }
      int some = used.nextSetBit(random.nextInt(160));
      for (int i = some; i >= 0 && i < some + random.nextInt(12) && used.get(i); i++) {
        if (!superseded.get(i)) {
          superseded.set(i);
          space.freed(i);
        }
      }
      if (random.nextInt(5) == 0) {
        space.flushed(sequence);
        used.andNot(superseded);
        superseded.clear();
      }
      assertThat(space.freeBlocks()).isEqualTo(160 - used.cardinality());
      assertThat(space.pendingBlocks()).isEqualTo(superseded.cardinality());
    }
  }
}
