package io.twinspan.linux;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class EventFdTest {
  @Test
  void drainTellsWhetherThereWasASignal() {
    try (EventFd event = EventFd.create()) {
      assertThat(event.drain()).isFalse();
      event.signal();
      event.signal();
      assertThat(event.drain()).isTrue();
      assertThat(event.drain()).isFalse();
    }
  }

  @Test
  void takeCountsSignals() {
    try (EventFd event = EventFd.create()) {
      event.signal();
      event.signal();
      event.signal();

      assertThat(event.take()).isEqualTo(3);
      assertThat(event.take()).isZero();
    }
  }

  @Test
  void adoptedDuplicateSharesTheCounter() {
    try (EventFd here = EventFd.create();
        EventFd there = EventFd.adopt(here.fd().duplicate())) {
      here.signal();

      assertThat(there.drain()).isTrue();
      assertThat(here.drain()).isFalse();
    }
  }

  @Test
  void closedOneIsSilent() {
    EventFd event = EventFd.create();
    event.close();
    event.close();

    event.signal();

    assertThat(event.drain()).isFalse();
  }
}
