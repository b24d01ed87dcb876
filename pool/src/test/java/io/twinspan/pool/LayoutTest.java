package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayoutTest {
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 7, 16})
  void copiesLieOnDifferentDrivesAndNoPlaceIsUsedTwice(int drives) {
    Layout layout = Layout.fit(drives, 700, PoolRig.SMALL);
    Set<Long> places = new HashSet<>();
    for (int physical = 0; physical < layout.physicalBlocks(); physical++) {
      assertThat(layout.drive(physical, 0)).isNotEqualTo(layout.drive(physical, 1));
      for (int copy = 0; copy < 2; copy++) {
        long block = layout.driveBlock(physical, copy);
        assertThat(block).isBetween(layout.dataBlock(), layout.blocks() - 1);
        assertThat(places.add(layout.drive(physical, copy) * 10_000L + block)).isTrue();
      }
    }
    assertThat(layout.blocks()).isLessThanOrEqualTo(700);
    assertThat(places).hasSize(2 * layout.physicalBlocks());
  }

  @Test
  void metadataIsASmallPartOfALargeDrive() {
    Layout layout = Layout.fit(4, 1L << 20, PoolOptions.DEFAULTS);
    assertThat(layout.dataBlock()).isLessThan((1L << 20) / 25);
    assertThat(layout.blocks()).isGreaterThan((1L << 20) - 4L * layout.chunkBlocks());
  }

  @Test
  void drivesThatAreTooSmallOrTooFewAreRefused() {
    assertThatThrownBy(() -> Layout.fit(2, 100, PoolOptions.DEFAULTS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("too small");
    assertThatThrownBy(() -> Layout.fit(1, 1 << 20, PoolOptions.DEFAULTS))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aCheckpointOfTheWorstMapFitsItsArea() {
    Layout layout = Layout.fit(3, 4000, PoolRig.SMALL);
    long words = layout.segments() * (layout.segmentBlocks() * 1024L - 40);
    assertThat(words).isGreaterThan(layout.physicalBlocks() * 5L);
  }
}
