package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class EventSignalsTest {
  @Test
  void everySignalCounts() {
    try (EventSignals signals = EventSignals.open();
        EventFd event = EventFd.create()) {
      for (int i = 0; i < 1000; i++) {
        signals.signal(event);
      }
      assertThat(event.take()).isEqualTo(1000);
    }
  }

  @Test
  void aFullCounterThatSomebodyMadeBlockingHoldsNobodyUp() {
    try (EventSignals signals = EventSignals.open();
        EventFd event = EventFd.create();
        Arena arena = Arena.ofConfined()) {
      assumeTrue(signals.isSafe());
      MemorySegment most = arena.allocateFrom(JAVA_LONG, 0xffff_ffff_ffff_fffeL);
      assertThat(event.fd().write(most, 0, Long.BYTES)).isEqualTo(Long.BYTES);
      event.fd().setNonBlocking(false);

      for (int i = 0; i < 200; i++) {
        signals.signal(event);
      }

      assertThat(event.drain()).isTrue();
      assertThat(event.drainShared()).as("would wait with a plain read").isFalse();
    }
  }

  @Test
  void aClosedEventIsNotSignalled() {
    EventFd event = EventFd.create();
    event.close();
    try (EventSignals signals = EventSignals.open()) {
      signals.signal(event);
    }
  }
}
