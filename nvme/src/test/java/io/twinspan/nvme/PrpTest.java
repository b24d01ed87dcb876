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

  private final MemorySegment pages = Arena.ofAuto().allocate(4 * PAGE, PAGE);

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
    for (int count = 0; count <= 256; count++) {
      for (int rest : new int[] {-4, 0, 4, random.nextInt(4096)}) {
        int length = count * PAGE + rest;
        if (length > 0 && length <= Prp.MAX_TRANSFER_BYTES) {
          covers(0x40_0000L + offset, length);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {511, 512, 513, 514, 1022, 1023, 1024})
  void aListThatIsLongerThanItsPageGoesOnInTheNext(int pages) {
    for (int offset : new int[] {0, 4, 4092}) {
      covers(0x40_0000L + offset, Math.min(pages * PAGE, Prp.MAX_TRANSFER_BYTES));
      covers(0x40_0000L + offset, pages * PAGE - 4);
    }
  }

  /** Walks the entries as a controller does (section 4.3) and compares with a contiguous range. */
  private void covers(long iova, int length) {
    pages.fill((byte) 0xee);
    long prp2 = second(iova, length);
    int left = length - Math.min(length, PAGE - (int) (iova % PAGE));
    long expected = iova + (length - left);
    boolean list = left > PAGE;
    long at = 0;
    while (left > 0) {
      long entry = list ? pages.get(LittleEndian.LONG, at) : prp2;
      if (list && at % PAGE == PAGE - 8 && left > PAGE) {
        at += 8;
        assertThat(entry).as("link at %d", at).isEqualTo(LIST_IOVA + at);
        continue;
      }
      assertThat(entry).as("entry at %d of %d at 0x%x", at, length, iova).isEqualTo(expected);
      expected += PAGE;
      left -= PAGE;
      at += 8;
    }
    int room = Prp.listBytes((length + PAGE - 1) / PAGE * PAGE);
    assertThat(pages.get(LittleEndian.LONG, room)).isEqualTo(0xeeee_eeee_eeee_eeeeL);
  }

  private long second(long iova, int length) {
    return Prp.second(iova, length, pages, 0, LIST_IOVA);
  }
}
