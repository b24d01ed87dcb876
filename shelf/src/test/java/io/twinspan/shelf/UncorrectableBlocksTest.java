package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UncorrectableBlocksTest {
  private final UncorrectableBlocks blocks = new UncorrectableBlocks();

  @Test
  void knowsAfterAnyAdditionsAndRemovalsWhatABitPerBlockKnows() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    BitSet model = new BitSet();
    for (int round = 0; round < 5000; round++) {
      int lba = random.nextInt(200);
      int count = 1 + random.nextInt(random.nextBoolean() ? 3 : 40);
      if (random.nextInt(3) == 0) {
        assertThat(blocks.add(lba, count)).isTrue();
        model.set(lba, lba + count);
      } else {
        blocks.remove(lba, count);
        model.clear(lba, lba + count);
      }
      int at = random.nextInt(240);
      int some = 1 + random.nextInt(10);
      assertThat(blocks.overlaps(at, some))
          .as("seed %d round %d", seed, round)
          .isEqualTo(!model.get(at, at + some).isEmpty());
    }
    for (int i = 0; i + 1 < blocks.count(); i++) {
      assertThat(blocks.end(i)).isLessThan(blocks.first(i + 1));
    }
  }

  @Test
  void hasALimitAndJoinsNeighbours() {
    for (int i = 0; i < UncorrectableBlocks.MAX_RANGES; i++) {
      assertThat(blocks.add(3L * i, 1)).isTrue();
    }
    assertThat(blocks.add(1_000_000, 1)).isFalse();
    assertThat(blocks.add(1, 2)).isTrue();
    assertThat(blocks.count()).isEqualTo(UncorrectableBlocks.MAX_RANGES - 1);
    assertThat(blocks.overlaps(1_000_000, 1)).isFalse();
  }
}
