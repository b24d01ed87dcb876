package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Poller;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
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

  /**
   * Offer and arm at the same moment, again and again, a little shifted each time: the consumer
   * must see the element when it looks after arming, or else find the descriptor readable.
   */
  @Test
  void offerThatCollidesWithArmIsSeenOrSignalled() throws InterruptedException {
    int rounds = 20_000;
    AtomicInteger begun = new AtomicInteger();
    AtomicInteger offered = new AtomicInteger();
    try (WakeableQueue<Integer> queue = new WakeableQueue<>(2)) {
      poller.add(queue.fd(), 0);
      Thread producer =
          Thread.ofPlatform()
              .daemon(true)
              .start(() -> {
                for (int i = 1; i <= rounds; i++) {
                  awaitValue(begun, i);
                  spin(i % 16);
                  queue.offer(i);
                  offered.set(i);
                }
              });
      for (int i = 1; i <= rounds; i++) {
        begun.set(i);
        spin(i / 16 % 16);
        queue.arm();
        Integer seen = queue.poll();
        awaitValue(offered, i);
        if (seen == null) {
          assertThat(isReadable()).as("signalled in round %d", i).isTrue();
          seen = queue.poll();
        }
        assertThat(seen).isEqualTo(i);
        queue.disarm();
        assertThat(isReadable()).as("left over in round %d", i).isFalse();
      }
      producer.join();
    }
  }

  @SuppressWarnings("ThreadPriorityCheck") // a hint for a small machine; nothing depends on it
  private static void awaitValue(AtomicInteger variable, int value) {
    for (int spins = 0; variable.get() != value; spins++) {
      if (spins > 1_000) {
        Thread.yield(); // the other thread may need this processor
      } else {
        Thread.onSpinWait();
      }
    }
  }

  private static void spin(int times) {
    for (int i = 0; i < times; i++) {
      Thread.onSpinWait();
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
