package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What who looks at lent doorbells notices without ever falling asleep. */
class LendableDoorbellsTest {
  private static final int QUESTIONS = 2_000;

  private final LendableDoorbells doorbells = LendableDoorbells.create();
  private final UnixSocket far = UnixSocket.adopt(doorbells.shared()[1].duplicate());

  @AfterEach
  void close() {
    far.close();
    doorbells.close();
  }

  @Test
  void bellThatIsShutIsNoticedByOneWhoNeverSleeps() {
    doorbells.sent();
    assertThat(isFoundHungUp()).isFalse();

    far.endOutput();

    assertThat(isFoundHungUp()).isTrue();
  }

  @Test
  void bellThatNobodyHasAnyMoreIsNoticedByOneWhoNeverSleeps() {
    doorbells.sent();

    far.close();

    assertThat(isFoundHungUp()).isTrue();
  }

  @Test
  void bellThatIsRungHasNotHungUp() {
    doorbells.sent();
    try (Arena arena = Arena.ofConfined()) {
      assertThat(far.send(arena.allocate(Long.BYTES), 0, Long.BYTES)).isEqualTo(Long.BYTES);
    }

    assertThat(isFoundHungUp()).isFalse();
  }

  private boolean isFoundHungUp() {
    return IntStream.range(0, QUESTIONS).anyMatch(_ -> doorbells.hungUp());
  }
}
