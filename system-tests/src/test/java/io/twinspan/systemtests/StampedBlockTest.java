package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class StampedBlockTest {
  private final ByteBuffer buffer = ByteBuffer.allocate(2 * StampedBlock.BYTES);

  @Test
  void saysWhichVersionItIs() {
    StampedBlock.put(buffer, 1, 2, 77, 5);
    StampedBlock.put(buffer, 1, 2, 78, 6);

    assertThat(StampedBlock.version(buffer.flip(), 1, 2, 77)).isEqualTo(5);
    assertThat(StampedBlock.version(buffer, 1, 2, 78)).isEqualTo(6);
    assertThat(buffer.hasRemaining()).isFalse();
  }

  @Test
  void zerosAreVersionZero() {
    assertThat(StampedBlock.version(buffer, 1, 2, 77)).isZero();
  }

  @Test
  void aTornBlockIsFound() {
    StampedBlock.put(buffer, 1, 2, 77, 5);
    StampedBlock.put(buffer, 1, 2, 77, 6);
    for (int torn = 512; torn < StampedBlock.BYTES; torn += 512) {
      ByteBuffer mixed = ByteBuffer.allocate(StampedBlock.BYTES);
      mixed.put(buffer.slice(0, torn));
      mixed.put(buffer.slice(StampedBlock.BYTES + torn, StampedBlock.BYTES - torn)).flip();
      assertThatThrownBy(() -> StampedBlock.version(mixed, 1, 2, 77)).hasMessageContaining("torn");
    }
  }

  @Test
  void aBlockAtTheWrongPlaceIsFound() {
    StampedBlock.put(buffer, 1, 2, 77, 5);

    assertThatThrownBy(() -> StampedBlock.version(buffer.rewind(), 1, 2, 78))
        .hasMessageContaining("block 77");
    assertThatThrownBy(() -> StampedBlock.version(buffer.rewind(), 2, 2, 77))
        .hasMessageContaining("volume 1");
    assertThatThrownBy(() -> StampedBlock.version(buffer.rewind(), 1, 3, 77))
        .hasMessageContaining("by 2");
  }
}
