package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ManualClockTest {
  @Test
  void bothTimesMoveTogetherAndOnlyWhenTold() {
    ManualClock clock = new ManualClock(1_000);

    assertThat(clock.nanoTime()).isZero();
    clock.advance(2_500_000);

    assertThat(clock.nanoTime()).isEqualTo(2_500_000);
    assertThat(clock.epochMillis()).isEqualTo(1_002);
  }

  @Test
  void timeNeverGoesBack() {
    ManualClock clock = new ManualClock();
    clock.advanceTo(100);
    clock.advanceTo(50);

    assertThat(clock.nanoTime()).isEqualTo(100);
    assertThatThrownBy(() -> clock.advance(-1)).isInstanceOf(IllegalArgumentException.class);
  }
}
