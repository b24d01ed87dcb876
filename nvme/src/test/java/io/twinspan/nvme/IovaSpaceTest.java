package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.VfioDevice.IovaRange;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class IovaSpaceTest {
  private static final long MIB = 1 << 20;

  /** As Linux tells them on x86: the window of the interrupts lies between. */
  private static final List<IovaRange> RANGES =
      List.of(new IovaRange(0, 0xfedf_ffffL), new IovaRange(0xfef0_0000L, (1L << 39) - 1));

  @Test
  void largeMemoryIsAlignedForLargePagesAndSmallMemoryIsNot() {
    IovaSpace space = new IovaSpace(RANGES);

    assertThat(space.take(4096)).isEqualTo(new DmaRegion(2 * MIB, 4096));
    assertThat(space.take(4096)).isEqualTo(new DmaRegion(2 * MIB + 4096, 4096));
    assertThat(space.take(4 * MIB)).isEqualTo(new DmaRegion(4 * MIB, 4 * MIB));
    assertThat(space.take(8192)).isEqualTo(new DmaRegion(2 * MIB + 8192, 8192));
  }

  @Test
  void whatWasReleasedIsGivenOutAgain() {
    IovaSpace space = new IovaSpace(RANGES);
    DmaRegion first = space.take(MIB);
    DmaRegion second = space.take(MIB);

    space.release(first);

    assertThat(space.take(MIB)).isEqualTo(first);
    assertThatThrownBy(() -> space.release(new DmaRegion(second.iova(), 4096)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void nothingCrossesTheWindowOfTheInterrupts() {
    IovaSpace space = new IovaSpace(RANGES);
    long half = 0xa000_0000L;

    assertThat(space.take(half).iova()).isEqualTo(2 * MIB);
    assertThat(space.take(half).iova()).isEqualTo(0xff00_0000L);
  }

  @Test
  void aSpaceThatIsFullSaysSo() {
    IovaSpace space = new IovaSpace(List.of(new IovaRange(0, 4 * MIB - 1)));
    var _ = space.take(2 * MIB);

    assertThatThrownBy(() -> space.take(4096))
        .isInstanceOf(NvmeException.class)
        .hasMessageContaining("4096 bytes");
  }

  @Test
  void regionsNeverOverlap() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    IovaSpace space = new IovaSpace(List.of(new IovaRange(0, 64 * MIB), RANGES.getLast()));
    List<DmaRegion> held = new ArrayList<>();
    for (int i = 0; i < 2_000; i++) {
      if (!held.isEmpty() && random.nextInt(5) < 2) {
        space.release(held.remove(random.nextInt(held.size())));
      } else {
        DmaRegion region = space.take(4096L * (1 + random.nextInt(2_000)));
        assertThat(held).noneMatch(other -> overlap(region, other));
        held.add(region);
      }
    }
  }

  private static boolean overlap(DmaRegion a, DmaRegion b) {
    return a.iova() < b.iova() + b.lengthBytes() && b.iova() < a.iova() + a.lengthBytes();
  }
}
