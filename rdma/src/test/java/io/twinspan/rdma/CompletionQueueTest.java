package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CompletionQueueTest {
  private static final long FOR_EVER = TimeUnit.MINUTES.toNanos(5);

  private final CompletionChannel channel = new CompletionChannel();
  private final CompletionQueue queue = queue(8);
  private final CompletionSource source = queue.source(4);
  private final WorkCompletion completion = new WorkCompletion();

  @AfterEach
  void close() {
    channel.close();
  }

  @Test
  void givesEveryFieldBack() {
    source.add(-7, WcStatus.RNR_RETRY_EXC_ERR, WcOpcode.RDMA_WRITE, 0, 0, 0, 12);
    int flags = WorkCompletion.WITH_IMMEDIATE | WorkCompletion.SOLICITED;
    source.add(
        Long.MAX_VALUE,
        WcStatus.SUCCESS,
        WcOpcode.RECV,
        flags,
        Integer.MAX_VALUE,
        0xDEADBEEF,
        1 << 20);

    assertThat(queue.poll(completion)).isTrue();
    assertThat(completion.wrId()).isEqualTo(-7);
    assertThat(completion.status()).isEqualTo(WcStatus.RNR_RETRY_EXC_ERR);
    assertThat(completion.opcode()).isEqualTo(WcOpcode.RDMA_WRITE);
    assertThat(completion.withImmediate()).isFalse();
    assertThat(completion.isSolicited()).isFalse();
    assertThat(completion.queuePairNumber()).isEqualTo(12);
    assertThat(queue.poll(completion)).isTrue();
    assertThat(completion.wrId()).isEqualTo(Long.MAX_VALUE);
    assertThat(completion.isSuccess()).isTrue();
    assertThat(completion.opcode()).isEqualTo(WcOpcode.RECV);
    assertThat(completion.withImmediate()).isTrue();
    assertThat(completion.isSolicited()).isTrue();
    assertThat(completion.byteLength()).isEqualTo(Integer.MAX_VALUE);
    assertThat(completion.immediate()).isEqualTo(0xDEADBEEF);
    assertThat(completion.queuePairNumber()).isEqualTo(1 << 20);
    assertThat(queue.poll(completion)).isFalse();
  }

  @Test
  void pollsSeveralAtOnce() {
    WorkCompletion[] three = {new WorkCompletion(), new WorkCompletion(), new WorkCompletion()};
    for (int i = 0; i < 4; i++) {
      complete(source, i);
    }
    assertThat(queue.size()).isEqualTo(4);
    assertThat(queue.poll(three)).isEqualTo(3);
    assertThat(three[2].wrId()).isEqualTo(2);
    assertThat(queue.poll(three)).isEqualTo(1);
    assertThat(three[0].wrId()).isEqualTo(3);
    assertThat(queue.poll(three)).isZero();
  }

  @Test
  void aQueueIsFullUntilItsCompletionsArePolled() {
    for (int i = 0; i < 4; i++) {
      assertThat(source.isFull(0)).isFalse();
      complete(source, i);
    }
    assertThat(source.isFull(0)).isTrue();
    assertThatThrownBy(() -> complete(source, 5)).hasMessageContaining("overflow");
    assertThat(queue.poll(completion)).isTrue();
    assertThat(source.isFull(0)).isFalse();
    assertThat(source.isFull(1)).as("one more is outstanding").isTrue();
    assertThatThrownBy(() -> queue.source(5)).hasMessageContaining("no room");
  }

  @Test
  void anArmingBringsOneEventForTheNextCompletion() {
    complete(source, 1);
    queue.notifyIfArmed();
    assertThat(channel.poll()).as("not armed").isNull();

    queue.requestNotify(false);
    queue.notifyIfArmed();
    assertThat(channel.poll()).as("it was there before").isNull();
    complete(source, 2);
    complete(source, 3);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(queue);
    complete(source, 4);
    queue.notifyIfArmed();
    assertThat(channel.poll()).as("not armed again").isNull();

    queue.requestNotify(false);
    assertThat(queue.poll(completion)).isTrue();
    complete(source, 5);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(queue);
  }

  @Test
  void solicitedOnlyWaitsForAMessageThatAsksOrAFailure() {
    queue.requestNotify(true);
    complete(source, 1);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isNull();
    source.add(2, WcStatus.SUCCESS, WcOpcode.RECV, WorkCompletion.SOLICITED, 0, 0, 1);
    complete(source, 3);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(queue);

    queue.requestNotify(true);
    source.add(4, WcStatus.WR_FLUSH_ERR, WcOpcode.SEND, 0, 0, 0, 1);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(queue);
  }

  @Test
  void askingForAnyStandsWhenSolicitedIsAskedForLater() {
    queue.requestNotify(false);
    queue.requestNotify(true);
    complete(source, 1);
    queue.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(queue);

    queue.requestNotify(true);
    queue.requestNotify(false);
    complete(source, 2);
    queue.notifyIfArmed();
    assertThat(channel.poll()).as("and is taken instead of it").isSameAs(queue);
  }

  @Test
  void aChannelTellsItsQueuesApart() {
    CompletionQueue other = queue(4);
    CompletionSource othersSource = other.source(4);
    queue.requestNotify(false);
    other.requestNotify(false);
    complete(othersSource, 1);
    queue.notifyIfArmed();
    other.notifyIfArmed();
    assertThat(channel.poll()).isSameAs(other);
    complete(source, 2);
    queue.notifyIfArmed();
    assertThat(channel.await(0)).isSameAs(queue);
    assertThat(channel.await(0)).isNull();
  }

  @Test
  void cantNotifyWithoutAChannel() {
    CompletionQueue mute = new CompletionQueue(1, null);
    assertThatThrownBy(() -> mute.requestNotify(false)).isInstanceOf(IllegalStateException.class);
  }

  /** Loses no completion and no wake-up, whoever is faster, and whenever the poller sleeps. */
  @Test
  void anotherThreadPollsInOrderAndSleepsBetween() throws InterruptedException {
    int each = 300_000;
    CompletionSource second = queue.source(4);
    AtomicReference<String> failure = new AtomicReference<>();
    Thread poller =
        Thread.ofPlatform()
            .start(() -> {
              try {
                pollAll(each);
              } catch (RuntimeException | AssertionError e) {
                failure.set(e.toString());
              }
            });
    long[] sent = new long[2];
    while ((sent[0] < each || sent[1] < each) && poller.isAlive()) {
      sent[0] += produce(source, sent[0], each, 0);
      sent[1] += produce(second, sent[1], each, 1);
      queue.notifyIfArmed();
      if (sent[0] % 16 == 0) {
        Thread.onSpinWait();
      }
    }
    while (poller.isAlive()) {
      queue.notifyIfArmed();
      Thread.onSpinWait();
    }
    poller.join();
    assertThat(failure.get()).isNull();
    assertThat(queue.size()).isZero();
  }

  private void pollAll(int each) {
    WorkCompletion into = new WorkCompletion();
    long[] next = new long[2];
    while (next[0] + next[1] < 2L * each) {
      if (!queue.poll(into)) {
        queue.requestNotify(false);
        if (!queue.poll(into)) {
          assertThat(channel.await(FOR_EVER)).as("after %d, %d", next[0], next[1]).isNotNull();
          continue;
        }
      }
      int from = into.queuePairNumber();
      assertThat(into.wrId()).isEqualTo(next[from]++);
      assertThat(into.byteLength()).isEqualTo((int) into.wrId() * 3);
    }
  }

  private static int produce(CompletionSource from, long count, int limit, int number) {
    if (count == limit || from.isFull(0)) {
      return 0;
    }
    from.add(count, WcStatus.SUCCESS, WcOpcode.RECV, 0, (int) count * 3, 0, number);
    return 1;
  }

  private static void complete(CompletionSource from, long id) {
    from.add(id, WcStatus.SUCCESS, WcOpcode.RECV, 0, 0, 0, 1);
  }

  private CompletionQueue queue(int capacity) {
    CompletionQueue made = new CompletionQueue(capacity, channel);
    channel.add(made);
    return made;
  }
}
