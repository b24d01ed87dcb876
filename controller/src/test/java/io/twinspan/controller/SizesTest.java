package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SizesTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "4096, 4096",
    "4096B, 4096",
    "1K, 1024",
    "64MiB, 67108864",
    "64 mib, 67108864",
    "2g, 2147483648",
    "2GB, 2147483648",
    "4TiB, 4398046511104",
    "' 512MiB ', 536870912"
  })
  void readsWhatPeopleWrite(String text, long bytes) {
    assertThat(Sizes.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-1", "1.5GiB", "GiB", "1PiB", "0x10", "1 2", "9999999999TiB"})
  @ValueSource(strings = "99999999999999999999")
  void refusesWhatIsNoSizeAndSaysHowToWriteOne(String text) {
    assertThatThrownBy(() -> Sizes.parse(text))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("\"" + text + "\"")
        .hasMessageContaining("512MiB");
  }

  @ParameterizedTest
  @ValueSource(
      longs = {0, 1, 1023, 1024, 1025, 1 << 20, (1 << 20) + 1024, 3L << 30, 5L << 40, 1L << 50})
  void writesExactlyWhatItReadsAgain(long bytes) {
    assertThat(Sizes.parse(Sizes.format(bytes))).isEqualTo(bytes);
  }

  @Test
  void writesInTheLargestUnitThatDivides() {
    assertThat(Sizes.format(2L << 30)).isEqualTo("2GiB");
    assertThat(Sizes.format((2L << 30) + (1 << 20))).isEqualTo("2049MiB");
    assertThat(Sizes.format(4097)).isEqualTo("4097B");
  }

  @Test
  void roundsForPeople() {
    assertThat(Sizes.rough(0)).isEqualTo("0 B");
    assertThat(Sizes.rough(1023)).isEqualTo("1023 B");
    assertThat(Sizes.rough(1536)).isEqualTo("1.5 KiB");
    assertThat(Sizes.rough(300L << 20)).isEqualTo("300 MiB");
    assertThat(Sizes.rough(3L << 50)).isEqualTo("3072 TiB");
  }
}
