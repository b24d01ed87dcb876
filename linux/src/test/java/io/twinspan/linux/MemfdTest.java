package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.twinspan.linux.Mapping.Protection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class MemfdTest {
  private static final long HUGE = Memfd.HUGE_PAGE_BYTES;

  @Test
  void hugePagesAreSealedZeroedAndShared() throws IOException {
    assumeTrue(freeHugePages() >= 2, "two huge pages must be free (/proc/sys/vm/nr_hugepages)");
    try (Fd fd = Memfd.createHuge("huge", 2 * HUGE);
        Mapping one = Mapping.shared(fd, 0, 2 * HUGE, Protection.READ_WRITE);
        Mapping other = Mapping.shared(fd, 0, 2 * HUGE, Protection.READ)) {
      assertThat(Memfd.requireSealed(fd, 1)).isEqualTo(2 * HUGE);
      assertThat(other.segment().get(JAVA_LONG, 2 * HUGE - 8)).isZero();
      one.segment().set(JAVA_LONG, 2 * HUGE - 8, 42);
      assertThat(other.segment().get(JAVA_LONG, 2 * HUGE - 8)).isEqualTo(42);
    }
  }

  @Test
  void moreHugePagesThanThereAreAreRefused() throws IOException {
    long tooMany = freeHugePages() + 100_000;
    assertThatThrownBy(() -> Memfd.createHuge("too-big", tooMany * HUGE))
        .isInstanceOfSatisfying(
            ErrnoException.class, e -> assertThat(e.errno()).isIn(Errno.ENOSPC, Errno.ENOMEM));
  }

  @Test
  void aPartOfAHugePageIsNotToBeHad() {
    assertThatThrownBy(() -> Memfd.createHuge("odd", HUGE + 4096))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static long freeHugePages() throws IOException {
    Path free = Path.of("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    return Files.exists(free) ? Long.parseLong(Files.readString(free).strip()) : 0;
  }
}
