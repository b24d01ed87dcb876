package io.twinspan.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class PollerTest {
  private static final long FOR_EVER = -1;
  private static final long NOT_AT_ALL = 0;

  @Test
  void reportsWhatIsReadableByItsToken() {
    try (Poller poller = new Poller();
        EventFd quiet = EventFd.create();
        EventFd loud = EventFd.create()) {
      poller.add(quiet.fd(), 1);
      poller.add(loud.fd(), Integer.MIN_VALUE + 2);
      loud.signal();

      assertThat(poller.await(FOR_EVER)).isEqualTo(1);
      assertThat(poller.token(0)).isEqualTo(Integer.MIN_VALUE + 2);
      assertThat(poller.events(0)).isEqualTo(Poller.READABLE);
      assertThatThrownBy(() -> poller.token(1)).isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void tellsSeveralEventsApart() {
    List<EventFd> events = new ArrayList<>();
    try (Poller poller = new Poller()) {
      for (int i = 0; i < 10; i++) {
        events.add(EventFd.create());
        poller.add(events.get(i).fd(), 1000 + i);
        events.get(i).signal();
      }

      List<Integer> tokens = new ArrayList<>();
      int count = poller.await(FOR_EVER);
      for (int i = 0; i < count; i++) {
        tokens.add(poller.token(i));
      }

      assertThat(tokens)
          .containsExactlyInAnyOrder(1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009);
    } finally {
      events.forEach(EventFd::close);
    }
  }

  @Test
  void isLevelTriggered() {
    try (Poller poller = new Poller();
        EventFd event = EventFd.create()) {
      poller.add(event.fd(), 0);
      event.signal();

      assertThat(poller.await(FOR_EVER)).isEqualTo(1);
      assertThat(poller.await(FOR_EVER)).isEqualTo(1);
      event.drain();
      assertThat(poller.await(NOT_AT_ALL)).isZero();
    }
  }

  @Test
  void timeoutEndsTheWait() {
    try (Poller poller = new Poller();
        EventFd event = EventFd.create()) {
      poller.add(event.fd(), 0);

      assertThat(poller.await(TimeUnit.MICROSECONDS.toNanos(10))).isZero();
      assertThat(poller.await(NOT_AT_ALL)).isZero();
    }
  }

  @Test
  void removedDescriptorIsNotReported() {
    try (Poller poller = new Poller();
        EventFd event = EventFd.create()) {
      poller.add(event.fd(), 0);
      event.signal();
      poller.remove(event.fd());
      poller.remove(event.fd());

      assertThat(poller.await(NOT_AT_ALL)).isZero();
    }
  }

  @Test
  void addingTwiceIsAnError() {
    try (Poller poller = new Poller();
        EventFd event = EventFd.create()) {
      poller.add(event.fd(), 0);

      assertThatThrownBy(() -> poller.add(event.fd(), 1))
          .isInstanceOfSatisfying(
              ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EEXIST));
    }
  }

  @Test
  void peerThatClosesIsReadableAndHungUp() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (Poller poller = new Poller();
        UnixSocket here = pair.get(0)) {
      poller.add(here.fd(), 5);
      pair.get(1).close();

      assertThat(poller.await(FOR_EVER)).isEqualTo(1);
      assertThat(poller.events(0)).isEqualTo(Poller.READABLE | Poller.HANG_UP);
    }
  }

  @Test
  void writableIsReportedWhenAskedFor() {
    List<UnixSocket> pair = UnixSocket.pair();
    try (Poller poller = new Poller();
        UnixSocket here = pair.get(0);
        UnixSocket there = pair.get(1)) {
      poller.add(here.fd(), Poller.READABLE | Poller.WRITABLE, 5);

      assertThat(poller.await(FOR_EVER)).isEqualTo(1);
      assertThat(poller.events(0)).isEqualTo(Poller.WRITABLE);
      assertThat(there.fd().isClosed()).isFalse();
    }
  }
}
