package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Poller;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WakeSignalTest {
  private final Poller poller = new Poller();

  @AfterEach
  void closePoller() {
    poller.close();
  }

  @Test
  void signalsTheDescriptorOnlyWhileArmed() {
    try (WakeSignal signal = new WakeSignal()) {
      poller.add(signal.fd(), 0);

      signal.raise();
      assertThat(isReadable()).isFalse();

      signal.arm();
      assertThat(isReadable()).isFalse();
      signal.raise();
      signal.raise();
      assertThat(isReadable()).isTrue();

      signal.disarm();
      assertThat(isReadable()).isFalse();
      signal.raise();
      assertThat(isReadable()).isFalse();
    }
  }

  @Test
  void armingAgainTakesTheOldSignalBack() {
    try (WakeSignal signal = new WakeSignal()) {
      poller.add(signal.fd(), 0);
      signal.arm();
      signal.raise();

      signal.arm();

      assertThat(isReadable()).isFalse();
      signal.raise();
      assertThat(isReadable()).isTrue();
    }
  }

  @Test
  void disarmWithoutArmDoesNothing() {
    try (WakeSignal signal = new WakeSignal()) {
      poller.add(signal.fd(), 0);

      signal.disarm();
      signal.arm();
      signal.raise();
      signal.disarm();

      assertThat(isReadable()).isFalse();
    }
  }

  /**
   * Two threads hand a turn back and forth, each sleeping without any limit but that of the test: a
   * lost wake-up would stop both. Left over signals would end sleeps early, and are counted.
   */
  @Test
  void noWakeUpIsLostInHandoffs() throws InterruptedException {
    int handoffs = 100_000;
    try (WakeableQueue<Integer> ping = new WakeableQueue<>(2);
        WakeableQueue<Integer> pong = new WakeableQueue<>(2);
        Sleeper here = new Sleeper(pong);
        Sleeper there = new Sleeper(ping)) {
      Thread echo =
          Thread.ofPlatform()
              .daemon(true)
              .start(() -> {
                for (int i = 0; i < handoffs; i++) {
                  pong.offer(there.take());
                }
              });
      for (int i = 0; i < handoffs; i++) {
        ping.offer(i);
        assertThat(here.take()).isEqualTo(i);
      }
      echo.join();

      assertThat(here.emptySleeps).as("sleeps that ended for nothing").isLessThan(handoffs / 10L);
    }
  }

  private boolean isReadable() {
    return poller.await(0) > 0;
  }

  /** The consumer's side of the protocol, without any spinning. */
  private static final class Sleeper implements AutoCloseable {
    private final Poller poller = new Poller();
    private final WakeableQueue<Integer> queue;
    private long emptySleeps;

    Sleeper(WakeableQueue<Integer> queue) {
      this.queue = queue;
      poller.add(queue.fd(), 0);
    }

    int take() {
      while (true) {
        Integer element = queue.poll();
        if (element != null) {
          return element;
        }
        queue.arm();
        element = queue.poll();
        if (element == null) {
          int ready = poller.await(TimeUnit.SECONDS.toNanos(50));
          element = queue.poll();
          if (element == null) {
            emptySleeps++;
          } else {
            assertThat(ready).as("woken rather than timed out").isPositive();
          }
        }
        queue.disarm();
        if (element != null) {
          return element;
        }
      }
    }

    @Override
    public void close() {
      poller.close();
    }
  }
}
