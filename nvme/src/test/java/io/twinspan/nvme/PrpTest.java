package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PrpTest {
  private static final long LIST_IOVA = 0x7_0000_0000L;
  private static final int PAGE = 4096;

  private final MemorySegment page = Arena.ofAuto().allocate(PAGE, PAGE);

  @Test
  void dataWithinOnePageNeedsOneEntry() {
    assertThat(second(0x10000, 1)).isZero();
    assertThat(second(0x10000, PAGE)).isZero();
    assertThat(second(0x10ffc, 4)).isZero();
  }

  @Test
  void dataInTwoPagesNeedsTwoEntries() {
    assertThat(second(0x10ffc, 5)).isEqualTo(0x11000);
    assertThat(second(0x10000, PAGE + 1)).isEqualTo(0x11000);
    assertThat(second(0x10ffc, 4 + PAGE)).isEqualTo(0x11000);
  }

  @Test
  void dataInThreePagesNeedsAList() {
    assertThat(second(0x10ffc, 4 + PAGE + 1)).isEqualTo(LIST_IOVA);
    assertThat(second(0x10000, 2 * PAGE + 1)).isEqualTo(LIST_IOVA);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 4, 64, 512, 2048, 4092})
  void coversEveryByteOnceForEverySizeClass(int offset) {
    Random random = new Random(offset);
    for (int pages = 0; pages <= 256; pages++) {
      for (int rest : new int[] {-4, 0, 4, random.nextInt(4096)}) {
        int length = pages * PAGE + rest;
        if (length > 0 && length <= Prp.MAX_TRANSFER_BYTES) {
          covers(0x40_0000L + offset, length);
        }
      }
    }
  }

  /** Walks the entries as a controller does (section 4.3) and compares with a contiguous range. */
  private void covers(long iova, int length) {
    page.fill((byte) 0xee);
    long prp2 = second(iova, length);
    int left = length - Math.min(length, PAGE - (int) (iova % PAGE));
    long expected = iova + (length - left);
    boolean list = left > PAGE;
    for (int i = 0; left > 0; i++) {
      long entry = list ? page.get(LittleEndian.LONG, 8L * i) : prp2;
      assertThat(entry).as("entry %d of %d bytes at 0x%x", i, length, iova).isEqualTo(expected);
      assertThat(entry % PAGE).isZero();
      assertThat(i).isLessThan(Prp.LIST_BYTES / 8);
      expected += PAGE;
      left -= PAGE;
    }
    assertThat(page.get(LittleEndian.LONG, Prp.LIST_BYTES)).isEqualTo(0xeeee_eeee_eeee_eeeeL);
  }

  private long second(long iova, int length) {
    return Prp.second(iova, length, page, 0, LIST_IOVA);
  }
}
